package mysqlsource

import (
	"reflect"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql"
	"cdcbridge/changelog"
)

// compareDescribed holds what the catalogue tells of tables to what rows of them came with.
func compareDescribed(t *testing.T, cfg *mysql.Config, read map[string]*pages) {
	t.Helper()
	described, err := cfg.Checker(capture.Env{Pipeline: "test"}).(capture.TableDescriber).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]*changelog.Table{}
	for _, d := range described {
		tables[d.Name] = d
	}
	compared := 0
	for name, p := range read {
		if len(p.tables) == 0 {
			continue
		}
		want, got := *p.tables[0], tables[name]
		if want.ID, want.Version = 0, 0; got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s is described as\n%+v and was read as\n%+v", name, got, want)
		}
		compared++
	}
	if compared == 0 {
		t.Error("no table was compared")
	}
}
