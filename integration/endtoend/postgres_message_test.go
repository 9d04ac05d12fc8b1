package endtoend

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func (c *pgColumn) decode(format string, raw json.RawMessage) (string, error) {
	if format == "canal-json" {
		return c.decodeCanal(raw)
	}
	if c.array {
		return c.decodeArray(raw)
	}
	s, err := c.decodeDebezium(raw)
	return c.normalize(s), err
}

// decodeCanal: apart from those types that MySQL has too the text is PostgreSQL's own.
func (c *pgColumn) decodeCanal(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if c.typ == "bytea" && !c.array {
		return latin1Hex(s)
	}
	return c.normalize(s), nil
}

// decodeArray flattens arrays of several dimensions, as unnest does.
func (c *pgColumn) decodeArray(raw json.RawMessage) (string, error) {
	element := *c
	element.array = false
	var parts []string
	var walk func(json.RawMessage) error
	walk = func(raw json.RawMessage) error {
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return err
		}
		for _, e := range elements {
			switch {
			case string(e) == "null":
				parts = append(parts, null)
			case e[0] == '[':
				if err := walk(e); err != nil {
					return err
				}
			default:
				s, err := element.decode("debezium-json", e)
				if err != nil {
					return err
				}
				parts = append(parts, s)
			}
		}
		return nil
	}
	err := walk(raw)
	return pgArray + strings.Join(parts, pgElement), err
}

func (c *pgColumn) decodeDebezium(raw json.RawMessage) (string, error) {
	switch c.typ {
	case "numeric", "money":
		return c.decimal(raw)
	case "bytea":
		b, err := base64JSON(raw)
		return hex.EncodeToString(b), err
	case "bit", "bit varying":
		return c.bits(raw)
	case "point":
		return pgPoint(raw)
	}
	if raw[0] != '"' {
		return string(raw), nil // numbers, true and false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	switch c.typ {
	case "timestamp with time zone":
		s = strings.TrimSuffix(strings.Replace(s, "T", " ", 1), "Z")
	case "time with time zone":
		s = strings.TrimSuffix(s, "Z")
	}
	return s, err
}

func (c *pgColumn) decimal(raw json.RawMessage) (string, error) {
	if scale, ok := c.scale(); ok {
		b, err := base64JSON(raw)
		return decimalText(b, scale), err
	}
	var v struct {
		Scale int    `json:"scale"`
		Value []byte `json:"value"`
	}
	err := json.Unmarshal(raw, &v)
	return decimalText(v.Value, v.Scale), err
}

// bits reads little-endian bytes. Of bit varying they do not say with how many zeros the text begins.
func (c *pgColumn) bits(raw json.RawMessage) (string, error) {
	switch string(raw) {
	case "true":
		return "1", nil
	case "false":
		return "0", nil
	}
	b, err := base64JSON(raw)
	if err != nil {
		return "", err
	}
	var s string
	for _, octet := range b {
		s = fmt.Sprintf("%08b", octet) + s
	}
	s = strings.TrimLeft(s, "0")
	if c.typ == "bit" && len(c.modifiers) == 1 {
		if want := (c.modifiers[0] + 7) / 8; len(b) > want || len(b) > 0 && b[len(b)-1] == 0 {
			return "", fmt.Errorf("%d bytes of at most %d, zeros at the end left out", len(b), want)
		}
		s = strings.Repeat("0", c.modifiers[0]-len(s)) + s
	}
	return s, nil
}

func pgPoint(raw json.RawMessage) (string, error) {
	var p struct {
		X, Y float64
		WKB  []byte
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", err
	}
	if len(p.WKB) != 21 || math.Float64frombits(binary.LittleEndian.Uint64(p.WKB[5:])) != p.X || math.Float64frombits(binary.LittleEndian.Uint64(p.WKB[13:])) != p.Y {
		return "", fmt.Errorf("x and y are not those of the WKB %x", p.WKB)
	}
	return "(" + strconv.FormatFloat(p.X, 'g', -1, 64) + "," + strconv.FormatFloat(p.Y, 'g', -1, 64) + ")", nil
}
