package debezium

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestStatementsOfRows writes the statement that a row is of, whatever is in it.
func TestStatementsOfRows(t *testing.T) {
	table := &changelog.Table{Origin: "mysql", Database: "shop", Name: "orders", Key: []int{0}, Columns: []changelog.Column{{Name: "id", SourceType: "int", Type: changelog.Type{Kind: changelog.KindInt, Bits: 32}}}}
	enc, err := NewConfig().Format(formats.Env{Server: "shop", Version: "test"}).Compile(table, formats.Options{Key: table.Key})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{"": `null`, "DELETE FROM t": `"DELETE FROM t"`, "UPDATE t SET v='a\"b\\'\n-- é\xff": `"UPDATE t SET v='a\"b\\'\n-- é` + "\uFFFD" + `"`} {
		for _, thread := range []uint64{0, 12} {
			ctx := &formats.Context{Txn: &changelog.Txn{ID: "1", Origin: changelog.Origin{Thread: thread}}, Run: &changelog.Run{Table: table, Query: query}}
			got, err := enc.AppendValue(nil, ctx, &changelog.Change{Op: changelog.Insert, After: changelog.Row{changelog.Int(1)}})
			if err != nil || !strings.Contains(string(got), `,"query":`+want+`}`) {
				t.Errorf("%q: %s, %v", query, got, err)
			}
		}
	}
}
