package postgrestypes

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
)

// null is how both sides write NULL.
const null = "\x00NULL"

// canonical writes a decoded value as the column's tell makes the server write it.
func canonical(t testing.TB, v changelog.Value, tell string) string {
	t.Helper()
	switch v.Form() {
	case changelog.FormNaN:
		return "NaN"
	case changelog.FormPosInf:
		return infinite(v, "nfinity")
	case changelog.FormNegInf:
		return "-" + infinite(v, "nfinity")
	case changelog.FormZeroParts:
		t.Fatal("a zero date of PostgreSQL")
	}
	switch v.Kind() {
	case changelog.KindNull:
		return null
	case changelog.KindBool:
		return strconv.FormatBool(v.Bool())
	case changelog.KindInt, changelog.KindDate, changelog.KindTime, changelog.KindDateTime, changelog.KindTimestamp:
		return strconv.FormatInt(v.Int(), 10)
	case changelog.KindUint:
		return strconv.FormatUint(v.Uint(), 10)
	case changelog.KindFloat32:
		if f := v.Float32(); f == f {
			return fmt.Sprintf("%08x", math.Float32bits(f))
		}
		return "NaN"
	case changelog.KindFloat64:
		if f := v.Float64(); f == f {
			return fmt.Sprintf("%016x", math.Float64bits(f))
		}
		return "NaN"
	case changelog.KindBytes:
		return hex.EncodeToString(v.Bytes())
	case changelog.KindString, changelog.KindJSON:
		if strings.Contains(tell, "'hex')") {
			return hex.EncodeToString(v.Bytes())
		}
		return string(v.Bytes())
	case changelog.KindDecimal, changelog.KindBitString:
		return string(v.Bytes())
	case changelog.KindTimeTZ:
		return fmt.Sprintf("%d %d", v.Int(), v.Offset())
	case changelog.KindInterval:
		months, days, micros := v.Interval()
		return fmt.Sprintf("%d %d %d", months, days, micros)
	case changelog.KindVector:
		return vectorText(v.Bytes())
	case changelog.KindGeometry:
		return geometryText(v)
	case changelog.KindArray, changelog.KindMap:
		text, err := json.Marshal(tree(t, v, tell))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	t.Fatalf("a value of the kind %d", v.Kind())
	return ""
}

func infinite(v changelog.Value, tail string) string {
	if v.Kind() == changelog.KindDecimal {
		return "I" + tail
	}
	return "i" + tail
}

// tree is what JSON has of an array or map: every element by its canonical text.
func tree(t testing.TB, v changelog.Value, tell string) any {
	switch v.Kind() {
	case changelog.KindNull:
		return nil
	case changelog.KindArray:
		list := []any{}
		for _, e := range v.Elems() {
			list = append(list, tree(t, e, tell))
		}
		return list
	case changelog.KindMap:
		m := map[string]any{}
		for e := v.Elems(); len(e) > 0; e = e[2:] {
			m[string(e[0].Bytes())] = tree(t, e[1], "")
		}
		return m
	}
	return canonical(t, v, tell)
}

func vectorText(p []byte) string {
	var elems []string
	for ; len(p) > 0; p = p[4:] {
		elems = append(elems, strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(p))), 'g', -1, 32))
	}
	return "[" + strings.Join(elems, ",") + "]"
}

// geometryText puts the SRID back into the WKB.
func geometryText(v changelog.Value) string {
	wkb := bytes.Clone(v.Bytes())
	if v.Uint() == 0 {
		return fmt.Sprintf("%X", wkb)
	}
	if wkb[0] == 1 {
		wkb[4] |= 0x20
		return fmt.Sprintf("%X%X%X", wkb[:5], binary.LittleEndian.AppendUint32(nil, uint32(v.Uint())), wkb[5:])
	}
	wkb[1] |= 0x20
	return fmt.Sprintf("%X%X%X", wkb[:5], binary.BigEndian.AppendUint32(nil, uint32(v.Uint())), wkb[5:])
}

// equal compares two canonical texts, those of arrays and maps as JSON.
func equal(got, want string, kind changelog.Kind) bool {
	if kind != changelog.KindArray && kind != changelog.KindMap || got == null || want == null {
		return got == want
	}
	var g, w any
	if json.Unmarshal([]byte(got), &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
		return false
	}
	return reflect.DeepEqual(g, w)
}
