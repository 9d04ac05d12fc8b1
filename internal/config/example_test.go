package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const example = "../../config.example.yaml"

// TestExampleHoldsEveryKey checks that config.example.yaml, which is the manual, has every key of the sections that do not
// belong to a source or a format, and at least once its default. Keys that are required, and lists that are empty by
// default, have an example instead.
func TestExampleHoldsEveryKey(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	m := manual{t: t, d: newDecoder(nil)}
	m.group("", []any{raw}, reflect.ValueOf(newDocument()).Elem())
	if len(m.d.problems) > 0 {
		t.Error(m.d.problems)
	}
	if m.keys < 45 {
		t.Errorf("only %d keys were compared", m.keys)
	}
}

type manual struct {
	t    *testing.T
	d    *decoder
	keys int
}

// group compares all occurrences of a group with its defaults.
func (m *manual) group(path string, occurrences []any, defaults reflect.Value) {
	for _, f := range fieldsOf(defaults) {
		m.keys++
		at := join(path, f.name)
		var values []any
		for _, o := range occurrences {
			if v, ok := o.(map[string]any)[f.name]; ok {
				values = append(values, v)
			}
		}
		switch {
		case len(values) == 0:
			m.t.Errorf("%s is not in %s", at, example)
		case f.value.Type() == sectionType: // the root package's test looks into it
		case f.value.Kind() == reflect.Struct:
			m.group(at, values, f.value)
		case f.value.Kind() == reflect.Slice && f.value.Type().Elem().Kind() == reflect.Struct:
			m.list(at, values, f.value)
		case !f.value.IsZero() && !m.hasDefault(at, values, f):
			m.t.Errorf("%s: %v are in %s and its default %v is not", at, values, example, f.value)
		}
	}
}

func (m *manual) list(path string, values []any, of reflect.Value) {
	var elements []any
	for _, v := range values {
		elements = append(elements, v.([]any)...)
	}
	el := reflect.New(of.Type().Elem()).Elem()
	if s, ok := el.Addr().Interface().(interface{ setDefaults() }); ok {
		s.setDefaults()
	}
	m.group(path+"[]", elements, el)
}

func (m *manual) hasDefault(path string, values []any, f field) bool {
	for i, v := range values {
		got := reflect.New(f.value.Type()).Elem()
		m.d.value(fmt.Sprintf("%s#%d", strings.TrimPrefix(path, "."), i), v, field{name: f.name, value: got})
		if reflect.DeepEqual(got.Interface(), f.value.Interface()) {
			return true
		}
	}
	return false
}
