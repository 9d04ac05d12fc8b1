package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"cdcbridge/changelog"
)

// Progress says what of a transaction left in parts already, table by table. A source keeps it in its position.
type Progress []TableProgress

// TableProgress counts the rows of one table that are done, before any filter, and holds a digest of their bytes in the log,
// so that a replay that brings other rows is found.
type TableProgress struct {
	Name string // as the source writes it, for example "shop.orders"
	Rows uint64
	Sum  uint64 // xxhash64 of what the source hashes of each row, one after the other
}

// TableText is a TableProgress as it stands in a position's JSON: the digest is 16 hexadecimal digits.
type TableText struct {
	Name string `json:"name"`
	Rows uint64 `json:"rows"`
	Sum  string `json:"sum"`
}

// ParseProgress reads the JSON form.
func ParseProgress(tables []TableText) (Progress, error) {
	var p Progress
	for _, t := range tables {
		sum, err := strconv.ParseUint(t.Sum, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("the digest of %s: %w", t.Name, err)
		}
		p = append(p, TableProgress{t.Name, t.Rows, sum})
	}
	return p, nil
}

// AppendText appends the JSON form, an array of TableText.
func (p Progress) AppendText(dst []byte) []byte {
	dst = append(dst, '[')
	for i, t := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(append(dst, `{"name":`...), t.Name)
		dst = strconv.AppendUint(append(dst, `,"rows":`...), t.Rows, 10)
		dst = fmt.Appendf(dst, `,"sum":"%016x"}`, t.Sum)
	}
	return append(dst, ']')
}

// Find gives the progress of a table, nil when none of its rows are done.
func (p Progress) Find(name string) *TableProgress {
	i := slices.IndexFunc(p, func(t TableProgress) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &p[i]
}

// AppendJSONString appends a name of a position (of a file, a table, a transaction) as a JSON string.
func AppendJSONString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s) // a string cannot fail
			return append(dst, q...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// MidTransaction reports a position inside of a transaction. Positions of all sources are JSON objects with a member "txn" there.
func MidTransaction(p changelog.Position) bool {
	var t struct {
		Txn json.RawMessage `json:"txn"`
	}
	return json.Unmarshal([]byte(p), &t) == nil && len(t.Txn) > 0
}
