package formatstest

import (
	"strings"

	"cdcbridge/changelog"
)

const mariadb = "mariadb"

// mariadbColumns are MySQL's as MariaDB writes their types, with the types that MariaDB alone has. Its JSON is a text.
func mariadbColumns() []column {
	text := func(v ...string) []changelog.Value {
		var out []changelog.Value
		for _, s := range v {
			out = append(out, changelog.String([]byte(s)))
		}
		return out
	}
	texts := func(name, source string, v ...string) column {
		return col(name, source, changelog.Type{Kind: changelog.KindString}, text(v...)...)
	}
	var cols []column
	for _, c := range mysqlColumns() {
		if c.Type.Kind == changelog.KindJSON {
			c = texts(c.Name, "longtext", `{"a": [1, 2.50,  "x y"]}`, `null`, ``)
		}
		c.SourceType = mariadbType(c.SourceType)
		cols = append(cols, c)
	}
	raw := changelog.Type{Kind: changelog.KindBytes, Length: 300}
	return append(cols,
		texts("uuid", "uuid", "0f8fad5b-d9cb-469f-a165-70867728950e", "00000000-0000-0000-0000-000000000000"),
		texts("inet4", "inet4", "0.0.0.0", "192.0.2.1"),
		texts("inet6", "inet6", "::", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1"),
		texts("varchar_z", "varchar(255) /*M!100301 COMPRESSED*/", "", "packed"),
		texts("text_z", "text /*M!100301 COMPRESSED*/", "", strings.Repeat("packed ", 50)),
		col("blob_z", "blob /*M!100301 COMPRESSED*/", raw, changelog.Bytes([]byte("\x00\xff")), changelog.Bytes([]byte{})),
	)
}

// mariadbType is what the type of MySQL is called by MariaDB, and by MySQL before 8.0.19: integers and YEAR have a display width.
func mariadbType(mysql string) string {
	name, rest, _ := strings.Cut(mysql, " ")
	width := map[string]string{"tinyint": "(4)", "smallint": "(6)", "mediumint": "(9)", "int": "(11)", "bigint": "(20)", "year": "(4)"}[name]
	if rest == "unsigned" {
		width = map[string]string{"tinyint": "(3)", "smallint": "(5)", "mediumint": "(8)", "int": "(10)", "bigint": "(20)"}[name]
	}
	return name + width + strings.TrimPrefix(mysql, name)
}

// MariaDBOrders is the table of Orders in MariaDB.
func MariaDBOrders() *changelog.Table {
	t := Orders()
	t.Origin = mariadb
	for i := range t.Columns {
		t.Columns[i].SourceType = mariadbType(t.Columns[i].SourceType)
	}
	return t
}

// EveryMariaDBValue is EveryValue for MariaDB.
func EveryMariaDBValue() (*changelog.Table, []changelog.Row) {
	d := database{mariadb, "", mariadbColumns, MariaDBOrders}
	return d.everyValue()
}
