package endtoend

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"cdcbridge/integration/harness"
)

// Messages are read here by the formats' documentation alone, so that an error in the encoders cannot hide in a decoder of
// theirs.

// messageRow reads the row that a message leaves behind, as column → text.
func messageRow(format string, value []byte, columns []column) (map[string]string, error) {
	text, err := harness.RowOf(format, value)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if len(raw) != len(columns) {
		return nil, fmt.Errorf("%d columns, the table has %d", len(raw), len(columns))
	}
	row := map[string]string{}
	for _, c := range columns {
		v, ok := raw[c.label()]
		if !ok {
			return nil, fmt.Errorf("column %s is missing", c.label())
		}
		if string(v) == "null" {
			row[c.label()] = null
			continue
		}
		s, err := c.decode(format, v)
		if err != nil {
			return nil, fmt.Errorf("column %s: %s: %w", c.label(), v, err)
		}
		row[c.label()] = s
	}
	return row, nil
}

func base64JSON(raw json.RawMessage) ([]byte, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(s)
}

// decimalText renders a two's-complement unscaled number.
func decimalText(b []byte, scale int) string {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	digits := new(big.Int).Abs(n).String()
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

// latin1Hex reads canal-json's binary text, one character a byte.
func latin1Hex(s string) (string, error) {
	var b []byte
	for _, r := range s {
		if r > 255 {
			return "", fmt.Errorf("character %U in binary text", r)
		}
		b = append(b, byte(r))
	}
	return hex.EncodeToString(b), nil
}
