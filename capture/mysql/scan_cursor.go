package mysql

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// cursorText is a capture.Cursor as JSON:
//
//	{"by":["region text utf8mb4_0900_ai_ci","id int desc"],"at":["x'e282ac'","42"]}
//
// by is the key and what its order depends on: a cursor of another key, or of another order, is of no use. at has the values
// as the server shows them, bytes that are not printable in hexadecimal; a bound of a range may have the first of them only.
type cursorText struct {
	By []string `json:"by"`
	At []string `json:"at"`
}

func (k *scanKey) by() []string {
	by := make([]string, len(k.parts))
	for i, p := range k.parts {
		by[i] = p.name + " " + p.order
	}
	return by
}

// cursor writes the cursor of a row or of the first parts of one.
func (k *scanKey) cursor(values [][]byte) capture.Cursor {
	t := cursorText{By: k.by(), At: make([]string, len(values))}
	for i, v := range values {
		t.At[i] = string(v)
		if !plainPrintable(v) {
			t.At[i] = "x'" + hex.EncodeToString(v) + "'"
		}
	}
	text, _ := json.Marshal(t) // strings only: it cannot fail
	return capture.Cursor(text)
}

// plainPrintable reports printable ASCII that does not look like bytes in hexadecimal.
func plainPrintable(v []byte) bool {
	return !strings.HasPrefix(string(v), "x'") && !slices.ContainsFunc(v, func(b byte) bool { return b < ' ' || b > '~' })
}

// parse reads a cursor of the key; nil of an empty one. ErrKeyChanged says that it is of another key.
func (k *scanKey) parse(c capture.Cursor) ([][]byte, error) {
	if c == "" {
		return nil, nil
	}
	var t cursorText
	if err := json.Unmarshal([]byte(c), &t); err != nil {
		return nil, badCursor(err)
	}
	if !slices.Equal(t.By, k.by()) {
		return nil, capture.ErrKeyChanged
	}
	if len(t.At) == 0 || len(t.At) > len(k.parts) {
		return nil, badCursor(fmt.Errorf("it has %d values for a key of %d", len(t.At), len(k.parts)))
	}
	values := make([][]byte, len(t.At))
	for i, s := range t.At {
		values[i] = []byte(s)
		if digits, ok := strings.CutPrefix(s, "x'"); ok {
			var err error
			if digits, ok = strings.CutSuffix(digits, "'"); !ok {
				return nil, badCursor(errors.New("a value has no closing quote"))
			}
			if values[i], err = hex.DecodeString(digits); err != nil {
				return nil, badCursor(err)
			}
		}
	}
	return values, nil
}

func badCursor(err error) error {
	return fault.NewFinal(fault.Internal, "reading how far a snapshot is", fmt.Errorf("the cursor is damaged: %w", err), "Start the snapshot of the table again.")
}

// literals reads a cursor and writes its constants; none of an empty cursor.
func (t *scanTable) literals(c capture.Cursor) ([]string, error) {
	values, err := t.key.parse(c)
	if err != nil {
		return nil, err
	}
	out, err := t.key.literals(values)
	if err != nil {
		return nil, badCursor(err)
	}
	return out, nil
}

// cut gives the bounds that cut the integers from first to last, which come in the order of the index, into n parts of equal
// width; none when they are too few.
func cut(first, last string, n int) []string {
	lo, ok1 := new(big.Int).SetString(first, 10)
	hi, ok2 := new(big.Int).SetString(last, 10)
	if !ok1 || !ok2 || n < 2 {
		return nil
	}
	width := new(big.Int).Sub(hi, lo) // negative in a descending index
	width.Quo(width, big.NewInt(int64(n)))
	if width.Sign() == 0 {
		return nil
	}
	var bounds []string
	for range n - 1 {
		bounds = append(bounds, lo.Add(lo, width).String())
	}
	return bounds
}
