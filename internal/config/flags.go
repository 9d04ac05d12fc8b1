package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// FormatFlags name a format on a command line, as an output of the file does with format, preset and options.
type FormatFlags struct {
	Name    string
	Preset  string
	Options []string // "key=value"; a list is separated by commas
}

// Format makes the config of a format that no file mentions. The error is a config fault with all problems.
func (f *FormatFlags) Format(reg Registry) (formats.Config, error) {
	at := slices.IndexFunc(reg.Formats, func(k formats.Kind) bool { return k.Name == f.Name })
	if at < 0 {
		var names []string
		for _, k := range reg.Formats {
			names = append(names, k.Name)
		}
		return nil, badFlags(fmt.Errorf("%s", unknown(fmt.Sprintf("%q is not a format", f.Name), f.Name, names)))
	}
	cfg := reg.Formats[at].Config()
	if f.Preset != "" && !cfg.Preset(f.Preset) {
		return nil, badFlags(fmt.Errorf("%s has no preset %q", f.Name, f.Preset))
	}
	options, fields := section{}, fieldsOf(reflect.ValueOf(cfg).Elem())
	for _, o := range f.Options {
		key, value, ok := strings.Cut(o, "=")
		if !ok {
			return nil, badFlags(fmt.Errorf("option %q is not of the form key=value", o))
		}
		options[key] = literal(value)
		if o, known := fields.find(key); known && o.value.Kind() == reflect.Slice {
			options[key] = listFlag(value)
		}
	}
	d := newDecoder(nil)
	d.decode("", map[string]any(options), cfg)
	d.validated("", cfg.Validate())
	if len(d.problems) > 0 {
		return nil, badFlags(d.problems)
	}
	return cfg, nil
}

func listFlag(value string) []any {
	var items []any
	for part := range strings.SplitSeq(value, ",") {
		items = append(items, literal(strings.TrimSpace(part)))
	}
	return items
}

func badFlags(err error) error {
	return fault.NewFinal(fault.Config, "reading the options of a format", err, "config.example.yaml explains every option.")
}
