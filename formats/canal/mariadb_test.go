package canal

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/formatstest"
)

// TestGoldenMariaDB pins whole messages of MariaDB: display widths as it writes them, no comments in types, and GTIDs of its own.
func TestGoldenMariaDB(t *testing.T) {
	table, rows := formatstest.EveryMariaDBValue()
	e := compile(t, defaults(), table, formats.Options{Key: table.Key, Upsert: true})
	inMariaDB, txn := context, txn
	txn.ID, txn.Origin.GTID = "0-101-23", "0-101-23"
	inMariaDB.Txn = &txn
	var out strings.Builder
	for _, row := range rows[1:4] {
		v, err := e.AppendValue(nil, &inMariaDB, &changelog.Change{Op: changelog.Update, Before: rows[4], After: row})
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(string(v) + "\n")
	}
	formatstest.Golden(t, "mariadb.golden", []byte(out.String()))
}

func TestTypesWithoutComments(t *testing.T) {
	for source, want := range map[string]struct {
		text string
		code int
	}{
		"text /*M!100301 COMPRESSED*/":        {"text", sqlClob},
		"longtext":                            {"longtext", sqlClob},
		"varchar(50) /*M!100301 COMPRESSED*/": {"varchar(50)", sqlVarchar},
		"inet6":                               {"inet6", sqlVarchar},
	} {
		col := &changelog.Column{SourceType: source, Type: changelog.Type{Kind: changelog.KindString}}
		if got := typeText(col); got != want.text {
			t.Errorf("%s: %s", source, got)
		}
		if got := textSQLType(col); got != want.code {
			t.Errorf("%s: %d", source, got)
		}
	}
	for _, source := range []string{"enum('a /* b','c')", "datetime(3)", "int(10) unsigned zerofill", "set('x /* y */')"} {
		if got := typeText(&changelog.Column{SourceType: source}); got != source {
			t.Errorf("%s became %s", source, got)
		}
	}
	if got := typeText(&changelog.Column{SourceType: "timestamp(3) /* mariadb-5.3 */"}); got != "timestamp(3)" {
		t.Error(got)
	}
}
