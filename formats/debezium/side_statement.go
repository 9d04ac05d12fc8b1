package debezium

import (
	"strconv"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// appendStatement writes {"source","ts_ms","databaseName","schemaName","ddl","tableChanges"}.
func (s *side) appendStatement(key, value []byte, c *formats.Context, n *changelog.Note) (k, v []byte, err error) {
	origin, database := originOf(c, n), databaseOf(n)
	keys, values := s.statementSchemas(origin)
	k = append(keys.open(key), `{"databaseName":"`...)
	k = keys.close(append(jsonx.AppendEscapedText(k, database), `"}`...))
	v = append(values.open(value), '{')
	source := s.appendSource(nil, c, n, &changelog.Table{Origin: origin, Database: database, Name: tablesOf(n)})
	v = append(v, source[1:]...) // without the comma
	v = append(v, `,"ts_ms":`...)
	v = strconv.AppendInt(v, floorDiv(c.Now, 1000), 10)
	v = append(v, `,"databaseName":"`...)
	v = jsonx.AppendEscapedText(v, database)
	v = append(v, `","schemaName":null,"ddl":"`...)
	v = jsonx.AppendEscapedText(v, n.Text)
	v = append(v, `","tableChanges":[`...)
	for i := range n.Changed {
		if i > 0 {
			v = append(v, ',')
		}
		v = s.appendDefinition(v, n, &n.Changed[i])
	}
	return k, values.close(append(v, "]}"...)), nil
}

// originOf is the kind of the database that a statement comes from. Where no table tells, its GTIDs do: MariaDB always has some.
func originOf(c *formats.Context, n *changelog.Note) string {
	if n.Table != nil {
		return n.Table.Origin
	}
	for i := range n.Changed {
		if t := n.Changed[i].Table; t != nil {
			return t.Origin
		}
	}
	if gtid := c.Txn.Origin.GTID; gtid != "" && !strings.Contains(gtid, ":") {
		return "mariadb"
	}
	return "mysql"
}

// databaseOf is where the statement's tables are.
func databaseOf(n *changelog.Note) string {
	for i := range n.Changed {
		if t := n.Changed[i].Table; t != nil {
			return t.Database
		}
	}
	if n.Table != nil {
		return n.Table.Database
	}
	return n.Database
}

// tablesOf are the names of the statement's tables with commas between them.
func tablesOf(n *changelog.Note) string {
	var names []string
	for i := range n.Changed {
		names = append(names, n.Changed[i].Name)
	}
	if names == nil && n.Table != nil {
		return n.Table.Name
	}
	return strings.Join(names, ",")
}

var definitionTypes = [...]string{changelog.Created: "CREATE", changelog.Altered: "ALTER", changelog.Dropped: "DROP"}

// appendDefinition writes what became of one table.
func (s *side) appendDefinition(dst []byte, n *changelog.Note, d *changelog.Definition) []byte {
	dst = append(dst, `{"type":"`...)
	if int(d.Kind) < len(definitionTypes) {
		dst = append(dst, definitionTypes[d.Kind]...)
	}
	database := databaseOf(n)
	if d.Table != nil {
		database = d.Table.Database
	}
	dst = append(dst, `","id":`...)
	dst = jsonx.AppendString(dst, []byte(doubleQuoted(database)+"."+doubleQuoted(d.Name)))
	dst = append(dst, `,"table":`...)
	if d.Table == nil || d.Kind == changelog.Dropped {
		return append(dst, "null}"...)
	}
	return append(s.appendTable(dst, d.Table), '}')
}

func doubleQuoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// appendTable writes the definition of a table.
func (s *side) appendTable(dst []byte, t *changelog.Table) []byte {
	dst = appendOptional(append(dst, `{"defaultCharsetName":`...), t.Charset)
	dst = append(dst, `,"primaryKeyColumnNames":[`...)
	for i, k := range t.Key {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendString(dst, []byte(t.Columns[k].Name))
	}
	dst = append(dst, `],"columns":[`...)
	for i := range t.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.appendColumn(dst, &t.Columns[i], i+1, t.Origin == "mariadb")
	}
	dst = append(dst, `],"comment":`...)
	return append(s.appendComment(dst, t.Comment), '}')
}

// appendColumn writes the definition of a column, whose number counts from 1. In the catalogue of MariaDB texts have their quotes.
func (s *side) appendColumn(dst []byte, c *changelog.Column, number int, quotes bool) []byte {
	name, length, scale := mysqlType(c)
	jdbc := jdbcType(name)
	dst = jsonx.AppendString(append(dst, `{"name":`...), []byte(c.Name))
	dst = strconv.AppendInt(append(dst, `,"jdbcType":`...), int64(jdbc), 10)
	dst = jsonx.AppendString(append(dst, `,"nativeType":null,"typeName":`...), []byte(name))
	dst = jsonx.AppendString(append(dst, `,"typeExpression":`...), []byte(name))
	charset := ""
	if jdbc == jdbcChar || jdbc == jdbcVarchar {
		charset = c.Type.Charset
	}
	dst = appendOptional(append(dst, `,"charsetName":`...), charset)
	dst = appendKnownNumber(append(dst, `,"length":`...), length)
	dst = appendKnownNumber(append(dst, `,"scale":`...), scale)
	dst = strconv.AppendInt(append(dst, `,"position":`...), int64(number), 10)
	dst = strconv.AppendBool(append(dst, `,"optional":`...), c.Nullable)
	dst = strconv.AppendBool(append(dst, `,"autoIncremented":`...), c.AutoIncrement)
	dst = strconv.AppendBool(append(dst, `,"generated":`...), c.AutoIncrement)
	dst = s.appendComment(append(dst, `,"comment":`...), c.Comment)
	dst = append(dst, `,"defaultValueExpression":`...)
	if c.Default == nil || c.Default.Value.Kind() == changelog.KindNull {
		dst = append(dst, "null"...)
	} else {
		dst = jsonx.AppendString(dst, []byte(defaultText(c, quotes)))
	}
	dst = append(dst, `,"enumValues":`...)
	if len(c.Type.Labels) == 0 {
		return append(dst, "null}"...)
	}
	for i, label := range c.Type.Labels {
		dst = append(dst, "[,"[min(i, 1)])
		dst = jsonx.AppendString(dst, []byte("'"+strings.ReplaceAll(label, "'", "''")+"'"))
	}
	return append(dst, "]}"...)
}

// defaultText is the default as the catalogue has it, of bits without b'…', and without the quotes of a text.
func defaultText(c *changelog.Column, quotes bool) string {
	text := c.Default.Text
	if quotes && len(text) > 1 && text[0] == '\'' && text[len(text)-1] == '\'' {
		return escapes.Replace(text[1 : len(text)-1])
	}
	if bits, ok := strings.CutPrefix(text, "b'"); ok && strings.HasPrefix(c.SourceType, "bit") {
		return strings.TrimSuffix(bits, "'")
	}
	return text
}

// escapes are those with which MariaDB's catalogue writes a text.
var escapes = strings.NewReplacer("''", "'", `\\`, `\`, `\'`, "'", `\"`, `"`, `\n`, "\n", `\r`, "\r", `\t`, "\t", `\0`, "\x00", `\Z`, "\x1a")

func (s *side) appendComment(dst []byte, comment string) []byte {
	if !s.f.cfg.Schemas.IncludeSchemaComments {
		comment = ""
	}
	return appendOptional(dst, comment)
}

func appendOptional(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return jsonx.AppendString(dst, []byte(text))
}

func appendKnownNumber(dst []byte, n int) []byte {
	if n == unset {
		return append(dst, "null"...)
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// Numbers of java.sql.Types.
const (
	jdbcChar    = 1
	jdbcVarchar = 12
	jdbcOther   = 1111
)

var jdbcTypes = map[string]int{
	"TINYINT": 5, "SMALLINT": 5, "MEDIUMINT": 4, "INT": 4, "BIGINT": -5, "YEAR": 4, "BIT": -7, "FLOAT": 6, "DOUBLE": 8, "DECIMAL": 3,
	"CHAR": jdbcChar, "VARCHAR": jdbcVarchar, "TINYTEXT": jdbcVarchar, "TEXT": jdbcVarchar, "MEDIUMTEXT": jdbcVarchar, "LONGTEXT": jdbcVarchar, "ENUM": jdbcChar, "SET": jdbcChar,
	"BINARY": -2, "VARBINARY": -3, "TINYBLOB": 2004, "BLOB": 2004, "MEDIUMBLOB": 2004, "LONGBLOB": 2004,
	"DATE": 91, "TIME": 92, "DATETIME": 93, "TIMESTAMP": 2014,
}

// jdbcType is the number that Debezium gives a type of MySQL, by its first word.
func jdbcType(name string) int {
	word, _, _ := strings.Cut(name, " ")
	if n, ok := jdbcTypes[word]; ok {
		return n
	}
	return jdbcOther
}
