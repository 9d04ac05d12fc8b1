package config

import (
	"encoding"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
)

// section is a group of keys that is decoded later, when it is known into what: source.type decides about the rest of
// source, format about options.
type section map[string]any

// decoder fills section structs from what viper read. It goes on after a problem, so that all are reported at once.
type decoder struct {
	lines    map[string]int
	lookup   func(string) (string, bool) // the environment
	readFile func(string) ([]byte, error)
	problems Problems
	blamed   map[string]bool // paths that have a problem already
	settings []Setting       // of sections whose meaning depends on another key
}

func newDecoder(lines map[string]int) *decoder {
	return &decoder{lines: lines, lookup: os.LookupEnv, readFile: os.ReadFile, blamed: map[string]bool{}}
}

func (d *decoder) report(path, format string, args ...any) {
	d.blamed[path] = true
	d.problems = append(d.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...), Line: d.line(path)})
}

// line finds the line of path, or of the innermost key around it that is in the file.
func (d *decoder) line(path string) int {
	for path != "" {
		if n := d.lines[strings.ToLower(path)]; n > 0 {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}

// validated takes over what a section's Validate says; each error begins with the key that it is about. What has been
// said about a key already is not said twice.
func (d *decoder) validated(path string, errs []error) {
	for _, err := range errs {
		key, text, ok := strings.Cut(err.Error(), ": ")
		if !ok || strings.ContainsAny(key, " \t") {
			key, text = "", err.Error()
		}
		at := strings.TrimSuffix(join(path, key), ".")
		if !d.blamed[at] {
			d.report(at, "%s", text)
		}
	}
}

// decode fills into, a pointer to a struct with mapstructure tags, strictly. Keys that are absent or have no value keep
// their default.
func (d *decoder) decode(path string, raw any, into any) {
	d.group(path, raw, reflect.ValueOf(into).Elem())
}

func (d *decoder) group(path string, raw any, dst reflect.Value) {
	if raw == nil {
		return
	}
	keys, ok := asMap(raw)
	if !ok {
		d.report(path, "must be a group of keys, not %s", describe(raw))
		return
	}
	fields := fieldsOf(dst)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		at := join(path, key)
		if f, ok := fields.find(key); ok {
			d.value(at, keys[key], f)
			continue
		}
		target, isFile := strings.CutSuffix(key, "_file")
		f, ok := fields.find(target)
		switch {
		case !isFile || !ok || !f.secret():
			d.unknownKey(at, key, fields)
		case keys[target] != nil:
			d.report(at, "cannot be given together with %s", target)
		default:
			d.secretFile(at, keys[key], f)
		}
	}
}

func (d *decoder) unknownKey(at, key string, fields fieldList) {
	names := fields.names()
	// "password:secret" without the blank is a key with no value to YAML. The rest of it is none of a key's, and may be a secret.
	if end := strings.IndexAny(key, ":= "); end > 0 && slices.Contains(names, key[:end]) {
		known := at[:len(at)-len(key)+end]
		d.blamed[known] = true
		d.problems = append(d.problems, Problem{Path: known, Text: "must have a colon and a blank behind it, and then its value", Line: d.line(at)})
		return
	}
	d.report(at, "%s", unknown("unknown key", key, names))
	// The key that was meant is not also to be reported as missing.
	if n := nearest(key, names); n != "" {
		d.blamed[at[:len(at)-len(key)]+n] = true
	}
}

// secretFile reads the secret that raw names the file of. One line end at its end does not belong to it.
func (d *decoder) secretFile(at string, raw any, f field) {
	name, ok := d.text(at, raw)
	if !ok {
		return
	}
	b, err := d.readFile(name)
	if err != nil {
		d.report(at, "%s", err)
		d.blamed[strings.TrimSuffix(at, "_file")] = true
		return
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		d.report(at, "%s is empty", name)
		return
	}
	f.value.SetString(s)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sectionType  = reflect.TypeFor[section]()
)

// value decodes one value by the type of its field.
func (d *decoder) value(path string, raw any, f field) {
	if raw == nil {
		return
	}
	dst := f.value
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if s, ok := d.text(path, raw); ok {
			if err := u.UnmarshalText([]byte(s)); err != nil {
				d.report(path, "%s", err)
			}
		}
		return
	}
	switch {
	case dst.Type() == durationType:
		d.duration(path, raw, dst)
		return
	case dst.Type() == sectionType:
		if m, ok := asMap(raw); ok {
			dst.Set(reflect.ValueOf(section(m)))
			return
		}
		d.report(path, "must be a group of keys, not %s", describe(raw))
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		d.group(path, raw, dst)
	case reflect.Slice:
		d.list(path, raw, dst)
	case reflect.String:
		if s, ok := d.text(path, raw); ok {
			dst.SetString(s)
		}
	case reflect.Bool:
		d.boolean(path, raw, dst)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.integer(path, raw, dst)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.unsigned(path, raw, dst)
	case reflect.Float32, reflect.Float64:
		d.float(path, raw, dst)
	default:
		d.report(path, "cannot be read into a %s: a bug of cdcbridge", dst.Type())
	}
}

// list replaces the default by the list of the file. A list of texts may come as one variable, separated by commas.
func (d *decoder) list(path string, raw any, dst reflect.Value) {
	items, ok := raw.([]any)
	if s, isText := raw.(string); isText && dst.Type().Elem().Kind() == reflect.String {
		out, replaced, err := expand(s, d.lookup)
		if err != nil {
			d.report(path, "%s", err)
			return
		}
		if replaced {
			for part := range strings.SplitSeq(out, ",") {
				items = append(items, literal(strings.TrimSpace(part)))
			}
			ok = true
		}
	}
	if !ok {
		d.report(path, "must be a list%s, not %s", listOf(dst.Type().Elem()), describe(raw))
		return
	}
	list := reflect.MakeSlice(dst.Type(), len(items), len(items))
	for i, item := range items {
		el := list.Index(i)
		if s, ok := el.Addr().Interface().(interface{ setDefaults() }); ok {
			s.setDefaults()
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if item == nil {
			d.report(at, "is empty")
			continue
		}
		d.value(at, item, field{value: el})
	}
	dst.Set(list)
}

func listOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return " of texts"
	case reflect.Struct:
		return " of groups of keys"
	}
	return ""
}

func asMap(raw any) (map[string]any, bool) {
	switch m := raw.(type) {
	case map[string]any:
		return m, true
	case section:
		return m, true
	}
	return nil, false
}
