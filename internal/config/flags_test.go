package config

import (
	"reflect"
	"strings"
	"testing"

	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

type flagged struct {
	formats.Config
	Text string   `mapstructure:"text"`
	List []string `mapstructure:"list"`
	Yes  bool     `mapstructure:"yes"`
	N    int      `mapstructure:"n"`
}

func (f *flagged) Preset(name string) bool {
	f.Text = name
	return name == "flink"
}

func (f *flagged) Validate() []error { return nil }

func TestFormatFlags(t *testing.T) {
	reg := Registry{Formats: []formats.Kind{{Name: "some", Config: func() formats.Config { return &flagged{N: 7} }}}}
	got, err := (&FormatFlags{Name: "some", Preset: "flink", Options: []string{"list=a, b", "yes=true"}}).Format(reg)
	if want := (&flagged{Text: "flink", List: []string{"a", "b"}, Yes: true, N: 7}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, c := range []struct {
		flags FormatFlags
		want  string
	}{
		{FormatFlags{Name: "sone"}, "did you mean"},
		{FormatFlags{Name: "some", Preset: "x"}, `some has no preset "x"`},
		{FormatFlags{Name: "some", Options: []string{"yes"}}, "key=value"},
		{FormatFlags{Name: "some", Options: []string{"yes=1", "nn=2"}}, "2 problems"},
	} {
		if _, err := c.flags.Format(reg); !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.flags, err)
		}
	}
}
