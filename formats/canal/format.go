package canal

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

type format struct{ config Config }

// encoder writes the messages of one table version. The slices of bytes are the parts of a message that no row changes,
// in the order in which they are written; what stands between them is in message.go.
type encoder struct {
	table  string // full name, for error texts
	upsert bool
	tidb   bool

	wholeOld bool           // old has every column, see appendOld
	zone     *time.Location // nil: UTC
	key      []keyColumn
	cols     []column
	sql      sqlTypes

	afterData []byte // ],"database":"shop","es":
	afterID   []byte // ,"isDdl":false,"mysqlType":{…},"old":
	afterOld  []byte // ,"pkNames":["id"],"sql":"","sqlType":
	afterSQL  []byte // ,"table":"orders","ts":
}

type keyColumn struct {
	column
	index int // in the row
}

// Compile implements formats.Format.
func (f *format) Compile(t *changelog.Table, o formats.Options) (formats.Encoder, error) {
	if errs := f.config.Validate(); len(errs) > 0 {
		return nil, fault.NewFinal(fault.Config, "preparing canal-json", errors.Join(errs...), "Correct the output's options.")
	}
	zone, err := loadZone(f.config.Timezone)
	if err != nil {
		return nil, fault.NewFinal(fault.Config, "preparing canal-json", err, "Correct the output's timezone.")
	}
	if t.Inferred && !o.Ends {
		return nil, fault.NewFinal(fault.SchemaUnknown, "preparing table "+t.FullName(),
			errors.New("the messages that it is read from do not say what its columns are, and mysqlType and sqlType must"),
			"Read messages that have schemas or mysqlType, or write debezium-json without schemas or plain-json.")
	}
	if o.Upsert && f.config.DDLTopic == RowsTopic {
		return nil, fault.NewFinal(fault.Config, "preparing table "+t.FullName(),
			errors.New("statements have no key, and every record of a topic in mode upsert needs one"),
			"Give ddl_topic the name of another topic, or set the output's mode to changelog.")
	}
	e := &encoder{tidb: f.config.TiDBExtension, table: t.FullName(), upsert: o.Upsert, zone: zone, cols: make([]column, len(t.Columns))}
	for i := range t.Columns {
		if e.cols[i], err = f.config.compileColumn(t, i); err != nil {
			return nil, fmt.Errorf("preparing table %s: %w", e.table, err)
		}
		f.config.lose(t, i, &e.cols[i])
		e.wholeOld = e.wholeOld || e.cols[i].holdsMap()
	}
	for _, i := range o.Key {
		if i < 0 || i >= len(t.Columns) {
			return nil, fault.NewFinal(fault.Internal, "preparing table "+e.table,
				fmt.Errorf("key column %d of %d columns", i, len(t.Columns)), "Please report this with the table's definition.")
		}
		k := keyColumn{index: i}
		if k.column, err = f.config.compileKey(t, i); err != nil {
			return nil, fmt.Errorf("preparing the key of table %s: %w", e.table, err)
		}
		e.key = append(e.key, k)
	}
	e.constants(t, o)
	return e, nil
}

// constants renders the parts of a message that are the same for every row.
func (e *encoder) constants(t *changelog.Table, o formats.Options) {
	database := t.Schema
	if database == "" {
		database = t.Database
	}
	e.afterData = append([]byte(`],"database":`), quote(database)...)
	e.afterData = append(e.afterData, `,"es":`...)

	e.afterID = []byte(`,"isDdl":false,"mysqlType":{`)
	for i := range t.Columns {
		if i > 0 {
			e.afterID = append(e.afterID, ',')
		}
		e.afterID = append(append(e.afterID, e.cols[i].name...), quote(typeText(&t.Columns[i]))...)
	}
	e.afterID = append(e.afterID, `},"old":`...)

	// What identifies a row in this topic is its record key, even if that is not the table's primary key: a reader that
	// looks rows up by another key would meet the two halves of a key change in any order.
	key := o.Key
	if len(key) == 0 {
		key = t.Key
	}
	e.afterOld = append(append([]byte(`,"pkNames":`), keyNames(t, key)...), `,"sql":"","sqlType":`...)
	e.sql = newSQLTypes(e.cols)
	e.afterSQL = append(append([]byte(`,"table":`), quote(t.Name)...), `,"ts":`...)
}

// keyNames are the names of the key's columns in the order of the table, as Canal has them, whatever their order in the key is.
func keyNames(t *changelog.Table, key []int) []byte {
	if len(key) == 0 {
		return []byte("null")
	}
	names := []byte{'['}
	for n, i := range slices.Sorted(slices.Values(key)) {
		if n > 0 {
			names = append(names, ',')
		}
		names = append(names, quote(t.Columns[i].Name)...)
	}
	return append(names, ']')
}

func quote(s string) []byte { return jsonx.AppendCanalString(nil, []byte(s)) }

// AppendKey implements formats.Encoder: {"id":"7"}, columns in the order of the key.
func (e *encoder) AppendKey(dst []byte, row changelog.Row) ([]byte, error) {
	if len(row) != len(e.cols) {
		return nil, e.wrongWidth(row)
	}
	var err error
	from := len(dst)
	for n := range e.key {
		k := &e.key[n]
		v := &row[k.index]
		if unchanged(v) {
			return nil, e.incomplete(&k.column)
		}
		if k.form == formText && !utf8.Valid(v.Bytes()) {
			return nil, e.notText(&k.column)
		}
		dst = k.member.Append(dst)
		if dst, err = k.appendValue(dst, v, e.zone); err != nil {
			return nil, err
		}
	}
	return closeObject(dst, from), nil
}

// incomplete is the fault for a value that the log did not carry and that must not be written as null (invariant I8).
func (e *encoder) incomplete(c *column) error {
	return fault.NewFinal(fault.SourceSettings, "writing a row of "+e.table+" as canal-json",
		fmt.Errorf("the log does not carry column %q of the row", c.title),
		"Make the database log whole rows (binlog_row_image=FULL on MySQL and MariaDB, REPLICA IDENTITY FULL on PostgreSQL), then read the table anew.")
}

// notText is the fault for a key whose bytes are no text: written with replacement characters it could be another row's.
func (e *encoder) notText(c *column) error {
	return fault.NewFinal(fault.Decode, "writing the key of a row of "+e.table+" as canal-json",
		fmt.Errorf("column %q is not UTF-8 text", c.title), "Correct the text in the database, or choose another key for the table.")
}

func (e *encoder) wrongWidth(row changelog.Row) error {
	return fault.NewFinal(fault.Internal, "writing a row of "+e.table+" as canal-json",
		fmt.Errorf("row of %d columns in a table of %d", len(row), len(e.cols)), "Please report this with the table's definition.")
}
