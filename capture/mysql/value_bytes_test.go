package mysql

import (
	"testing"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
)

// TestCollectionsOfGeometries have the name by which the server of the table calls them.
func TestCollectionsOfGeometries(t *testing.T) {
	for _, tc := range []struct {
		catalogued string
		mariadb    bool
		want       string
	}{
		{"geomcollection", false, "geomcollection"},         // MySQL since 8.0
		{"geometrycollection", false, "geometrycollection"}, // MySQL 5.7
		{"geometrycollection", true, "geometrycollection"},
		{"geomcollection", true, "geometrycollection"}, // by the number in the log
		{"point", true, "point"},
	} {
		l, _, err := layoutOf(&schema.Table{Columns: []schema.Column{{Name: "g", DataType: tc.catalogued, ColumnType: tc.catalogued}}}, nil, tc.mariadb)
		if err != nil {
			t.Errorf("%+v: %v", tc, err)
			continue
		}
		var col changelog.Column
		if err := l.def(0).spatial(&col, &column{}); err != nil || col.SourceType != tc.want {
			t.Errorf("%+v: %q %v", tc, col.SourceType, err)
		}
	}
}
