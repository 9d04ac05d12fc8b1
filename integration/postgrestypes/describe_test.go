package postgrestypes

import (
	"reflect"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// compareDescribed holds what the catalogue tells of tables to what changes of them came with.
func (b *bench) compareDescribed(shapes map[string]*changelog.Table) {
	b.t.Helper()
	described, err := b.config().Checker(capture.Env{Pipeline: "types"}).(capture.TableDescriber).Describe(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if len(described) != len(shapes) {
		b.t.Errorf("%d tables are described, and changes came of %d", len(described), len(shapes))
	}
	for _, got := range described {
		if shapes[got.Name] == nil {
			b.t.Errorf("no change came of %s", got.FullName())
			continue
		}
		want := *shapes[got.Name]
		if want.ID, want.Version = 0, 0; !reflect.DeepEqual(*got, want) {
			b.t.Errorf("%s is described as\n%+v and came as\n%+v", got.FullName(), *got, want)
		}
	}
}
