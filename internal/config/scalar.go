package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// literal is text that has been expanded and is not looked at again.
type literal string

// text gives a text value with its variables replaced.
func (d *decoder) text(path string, raw any) (string, bool) {
	switch s := raw.(type) {
	case literal:
		return string(s), true
	case string:
		out, _, err := expand(s, d.lookup)
		var wrong badVariable
		switch {
		case errors.As(err, &wrong) && isSecretPath(path):
			d.report(path, "%s", badVariable("…"))
			return "", false
		case err != nil:
			d.report(path, "%s", err)
			return "", false
		}
		return out, true
	case []any, map[string]any:
		d.report(path, "must be text, not %s", describe(raw))
		return "", false
	}
	if isSecretPath(path) {
		d.report(path, "must be text; put it in quotes")
	} else {
		d.report(path, "must be text, not %s; put it in quotes if it is meant", describe(raw))
	}
	return "", false
}

// plain gives a scalar as text for the types that are read from it; the text of the file is what messages quote, so the
// content of a variable is never shown.
func (d *decoder) plain(path string, raw any) (string, bool) {
	switch v := raw.(type) {
	case string, literal:
		return d.text(path, raw)
	case int, int64, uint64, float64, bool:
		return fmt.Sprint(v), true
	}
	return "", true // nothing parses from it: the caller says what is expected
}

func (d *decoder) boolean(path string, raw any, dst reflect.Value) {
	switch s, ok := d.plain(path, raw); {
	case !ok:
	case s == "true" || s == "false":
		dst.SetBool(s == "true")
	default:
		d.report(path, "must be true or false, not %s", describe(raw))
	}
}

func (d *decoder) duration(path string, raw any, dst reflect.Value) {
	s, ok := d.plain(path, raw)
	if !ok {
		return
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		d.report(path, "must be a duration with its unit, such as 500ms, 10s or 5m, not %s", describe(raw))
		return
	}
	dst.SetInt(int64(v))
}

func (d *decoder) integer(path string, raw any, dst reflect.Value) {
	s, ok := d.plain(path, raw)
	if !ok {
		return
	}
	v, ok := parseSize(s)
	switch {
	case !ok && dst.Kind() == reflect.Int64:
		d.report(path, "must be a number of bytes such as 1048576, 512KiB or 16MiB, not %s", describe(raw))
	case !ok:
		d.report(path, "must be a whole number, not %s", describe(raw))
	case dst.OverflowInt(v):
		d.report(path, "%s is out of range", describe(raw))
	default:
		dst.SetInt(v)
	}
}

func (d *decoder) unsigned(path string, raw any, dst reflect.Value) {
	s, ok := d.plain(path, raw)
	if !ok {
		return
	}
	v, err := strconv.ParseUint(s, 10, 64)
	switch {
	case err != nil:
		d.report(path, "must be a whole number that is not negative, not %s", describe(raw))
	case dst.OverflowUint(v):
		d.report(path, "must be at most %d, not %s", uint64(math.MaxUint64)>>(64-dst.Type().Bits()), describe(raw))
	default:
		dst.SetUint(v)
	}
}

func (d *decoder) float(path string, raw any, dst reflect.Value) {
	s, ok := d.plain(path, raw)
	if !ok {
		return
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		d.report(path, "must be a number, not %s", describe(raw))
		return
	}
	dst.SetFloat(v)
}

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// parseSize reads a whole number, optionally with a unit of bytes: 1048576, 16MiB, 16 MB.
func parseSize(s string) (int64, bool) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// describe names a value for a message as it stands in the file.
func describe(raw any) string {
	switch v := raw.(type) {
	case []any:
		return "a list"
	case map[string]any, section:
		return "a group of keys"
	case string:
		return strconv.Quote(v)
	case literal:
		return "the content of a variable"
	case int, int64, uint64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "a date"
	}
	return fmt.Sprintf("a %T", raw)
}
