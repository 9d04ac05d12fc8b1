package flink

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// null is the canonical text of NULL, which no value has.
const null = "\x00NULL"

// read is what Flink shows of a value of one of its types, in a form in which equal values are equal texts. Texts are brought to theirs
// by a function.
func read(typ string, v json.RawMessage, text func(string) (string, error)) (string, error) {
	if string(v) == "null" {
		return null, nil
	}
	switch typ = strings.TrimSuffix(typ, " NOT NULL"); {
	case strings.HasPrefix(typ, "ARRAY<"):
		var elems []json.RawMessage
		if err := json.Unmarshal(v, &elems); err != nil {
			return "", err
		}
		return each(elems, func(_ int, e json.RawMessage) (string, error) { return read(inner(typ), e, text) })
	case strings.HasPrefix(typ, "MAP<"):
		var m map[string]*string
		if err := json.Unmarshal(v, &m); err != nil {
			return "", err
		}
		return canonicalMap(m), nil
	case strings.HasPrefix(typ, "ROW<"): // of a shape: x and y, wkb, srid
		var fields []json.RawMessage
		if err := json.Unmarshal(v, &fields); err != nil {
			return "", err
		}
		types := []string{"DOUBLE", "DOUBLE", "BYTES", "BIGINT"}
		return each(fields, func(i int, f json.RawMessage) (string, error) { return read(types[len(types)-len(fields)+i], f, text) })
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", err
	}
	if typ == "STRING" {
		return text(s)
	}
	return scalar(typ, s)
}

// inner is the type of an array's elements.
func inner(typ string) string { return strings.TrimSuffix(strings.TrimPrefix(typ, "ARRAY<"), ">") }

func each[E any](all []E, one func(int, E) (string, error)) (string, error) {
	var out []string
	for i, e := range all {
		s, err := one(i, e)
		if err != nil {
			return "", err
		}
		out = append(out, s)
	}
	return "[" + strings.Join(out, "|") + "]", nil
}

func canonicalMap(m map[string]*string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := null
		if m[k] != nil {
			v = *m[k]
		}
		out = append(out, strconv.Quote(k)+"="+v)
	}
	return "{" + strings.Join(out, "|") + "}"
}

// scalar is the canonical text of a value that is no array, row or map, and whose text Flink or a database printed.
func scalar(typ, text string) (string, error) {
	name, _, _ := strings.Cut(typ, "(")
	switch name {
	case "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL":
		n, ok := new(big.Rat).SetString(text)
		if !ok {
			return text, nil // NaN and the like: a number of the database only
		}
		return n.RatString(), nil
	case "FLOAT":
		f, err := strconv.ParseFloat(text, 64) // the database's text may be that of a double
		if bits := float32(f); err == nil {
			return fmt.Sprintf("%08x", math.Float32bits(bits)), nil
		}
		return "", err
	case "DOUBLE":
		f, err := strconv.ParseFloat(text, 64)
		return fmt.Sprintf("%016x", math.Float64bits(f)), err
	case "DATE", "TIMESTAMP", "TIMESTAMP_LTZ", "TIME":
		return moment(text), nil
	case "BYTES", "VARBINARY":
		return strings.ToLower(text), nil
	case "BOOLEAN", "STRING", "VARCHAR":
		return text, nil
	}
	return "", fmt.Errorf("no comparison for the type %s", typ)
}

var datePattern = regexp.MustCompile(`^([+-]?\d+)-(\d\d)-(\d\d)`)

// moment brings the texts of Flink (ISO 8601), MySQL and PostgreSQL for dates, times and both to one form: a sign and the year of the
// astronomers, in which 1 BC is 0; a blank; no fraction that ends in 0; no seconds that are 0; no zone, which is UTC in all of them.
func moment(text string) string {
	s, bc := strings.CutSuffix(text, " BC")
	s = strings.TrimSuffix(strings.TrimSuffix(s, "Z"), "+00")
	s = strings.Replace(s, "T", " ", 1)
	if m := datePattern.FindStringSubmatch(s); m != nil {
		year, err := strconv.Atoi(m[1])
		if err != nil {
			return text
		}
		if bc {
			year = 1 - year
		}
		s = fmt.Sprintf("%d-%s-%s%s", year, m[2], m[3], s[len(m[0]):])
	}
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	if strings.Count(s, ":") == 2 {
		s = strings.TrimSuffix(s, ":00")
	}
	return s
}

// shape is the canonical text of a ROW for a shape: of x and y too when it is a point.
func shape(point bool, wkb []byte, srid string) (string, error) {
	out := hex.EncodeToString(wkb) + "|" + srid
	if !point {
		return "[" + out + "]", nil
	}
	if len(wkb) < 21 {
		return "", fmt.Errorf("a point of %d bytes", len(wkb))
	}
	n := len(wkb) - 16
	return fmt.Sprintf("[%016x|%016x|%s]", littleEndian(wkb[n:n+8]), littleEndian(wkb[n+8:]), out), nil
}

func littleEndian(b []byte) (n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

// bitBytes is a string of bits as Debezium has it: the last bit first, and no more bytes than size; 0: than have a bit set.
func bitBytes(bits string, size int) string {
	n, ok := new(big.Int).SetString("0"+bits, 2)
	if !ok {
		return "no bits: " + bits
	}
	b := n.Bytes()
	slices.Reverse(b)
	for len(b) < size {
		b = append(b, 0)
	}
	return hex.EncodeToString(b)
}

// document is a JSON text without what says nothing.
func document(text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(b)
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]string{
		"2024-05-06T07:08": "2024-05-06 07:08", "2024-05-06 07:08:00": "2024-05-06 07:08", "2024-05-06 07:08:09.120000+00": "2024-05-06 07:08:09.12", "2024-05-06T07:08:09.12Z": "2024-05-06 07:08:09.12",
		"4714-11-24 BC": "-4713-11-24", "-4713-11-24": "-4713-11-24", "0001-12-31 23:59:59.999999 BC": "0-12-31 23:59:59.999999", "0000-12-31T23:59:59.999999": "0-12-31 23:59:59.999999",
		"20240-01-01 00:00:00": "20240-01-01 00:00", "+20240-01-01T00:00": "20240-01-01 00:00", "24:00:00": "24:00", "-838:59:58.999999": "-838:59:58.999999", "07:08:00.000": "07:08",
	} {
		if got := moment(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if got := bitBytes("1000000001", 2); got != "0102" {
		t.Error(got)
	}
}
