package config

import (
	"crypto/sha256"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Setting is one setting with the value that is in effect, defaults included.
type Setting struct {
	Path  string // elements of lists by their names, for example "pipelines[shop].source.host"
	Value string // for people; of a secret only whether there is one

	print [sha256.Size]byte // of the value of a secret, so that a change is seen and the value is not, and of a list, whose text may mean another one
}

// Same reports whether two settings have the same value.
func (s Setting) Same(o Setting) bool { return s.Value == o.Value && s.print == o.print }

// effective notes what a section, a pointer to a struct with mapstructure tags, says after defaults, file and environment.
func (d *decoder) effective(path string, section any) {
	d.settings = append(d.settings, settingsOf(path, reflect.ValueOf(section).Elem())...)
}

// settingsOf lists the settings of a struct. Groups whose meaning depends on another key are left to who knows it.
func settingsOf(path string, v reflect.Value) []Setting {
	var all []Setting
	for _, f := range fieldsOf(v) {
		at := join(path, f.name)
		switch {
		case f.secret():
			s := Setting{Path: at}
			if text := f.value.String(); text != "" {
				s.Value, s.print = "***", sha256.Sum256([]byte(text))
			}
			all = append(all, s)
		case f.value.Type() == sectionType:
		case isText(f.value):
			all = append(all, Setting{Path: at, Value: valueText(f.value)})
		case f.value.Kind() == reflect.Struct:
			all = append(all, settingsOf(at, f.value)...)
		case f.value.Kind() == reflect.Slice && f.value.Type().Elem().Kind() == reflect.Struct:
			if f.value.Type().Elem() == reflect.TypeFor[tableSection]() && f.value.Len() > 1 {
				all = append(all, Setting{Path: at, Value: orderOf(f.value)})
			}
			seen := map[string]int{}
			for i := range f.value.Len() {
				name := elementName(f.value.Index(i), i)
				if seen[name]++; seen[name] > 1 { // several rules may be about one table
					name = fmt.Sprintf("%s#%d]", strings.TrimSuffix(name, "]"), seen[name])
				}
				all = append(all, settingsOf(at+name, f.value.Index(i))...)
			}
		case f.value.Kind() == reflect.Slice:
			all = append(all, Setting{Path: at, Value: valueText(f.value), print: listPrint(f.value)})
		default:
			all = append(all, Setting{Path: at, Value: valueText(f.value)})
		}
	}
	return all
}

// orderOf lists the names of rules, of which the first one that fits counts.
func orderOf(rules reflect.Value) string {
	names := make([]string, rules.Len())
	for i := range names {
		names[i] = rules.Index(i).Interface().(tableSection).Name
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// elementName tells the elements of a list apart by their names, where they have one, so that moving one is no change.
func elementName(v reflect.Value, i int) string {
	if f, ok := fieldsOf(v).find("name"); ok && f.value.Kind() == reflect.String && f.value.String() != "" {
		return "[" + f.value.String() + "]"
	}
	return fmt.Sprintf("[%d]", i)
}

// isText reports a struct that stands in the file as a text, and knows it.
func isText(v reflect.Value) bool {
	_, ok := v.Interface().(encoding.TextMarshaler)
	return ok && v.Kind() == reflect.Struct
}

func valueText(v reflect.Value) string {
	if isText(v) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	if v.Kind() == reflect.Slice {
		var parts []string
		for i := range v.Len() {
			parts = append(parts, fmt.Sprint(v.Index(i).Interface()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// listPrint is a hash of the elements of a list; no list is another one than an empty list.
func listPrint(v reflect.Value) (sum [sha256.Size]byte) {
	if v.IsNil() {
		return sum
	}
	h := sha256.New()
	for i := range v.Len() {
		text := fmt.Sprint(v.Index(i).Interface())
		_, _ = fmt.Fprintf(h, "%d:%s", len(text), text) // a hash takes everything
	}
	h.Sum(sum[:0])
	return sum
}

// byName renames the elements of a path that the loader counts: pipelines[0].outputs[1] by the names that they have.
func (doc *document) byName(path string) string {
	i, rest, ok := element("pipelines", path)
	if !ok {
		return path
	}
	p := &doc.Pipelines[i]
	if k, tail, ok := element("outputs", rest); ok && p.Outputs[k].Name != "" {
		rest = "outputs[" + p.Outputs[k].Name + "]." + tail
	}
	return "pipelines[" + p.Name + "]." + rest
}

// element takes an element of a list off a path.
func element(list, path string) (i int, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, list+"[")
	number, rest, found := strings.Cut(path, "].")
	i, err := strconv.Atoi(number)
	return i, rest, ok && found && err == nil
}

// settle makes the settings of a whole file, in the order of their paths.
func (d *decoder) settle(doc *document) []Setting {
	for i := range d.settings {
		d.settings[i].Path = doc.byName(d.settings[i].Path)
	}
	d.effective("", doc)
	slices.SortStableFunc(d.settings, func(a, b Setting) int { return strings.Compare(a.Path, b.Path) })
	return d.settings
}
