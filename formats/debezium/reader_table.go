package debezium

import (
	"bytes"
	"errors"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// maxTables bounds what hostile messages make a reader remember.
const maxTables = 10_000

// origin is one table that messages are about.
type origin struct {
	connector, database, schema, name string
	raw                               [4][]byte // the same as messages have them
	before, described                 []byte    // of the last message that had a schema: what stands before its payload, and the schema
	plan                              *rowPlan
	guess                             guess
}

func (o *origin) namespace() string {
	if o.schema != "" {
		return o.schema
	}
	return o.database
}

// rowPlan reads the rows of one version of a table.
type rowPlan struct {
	table   *changelog.Table
	columns []inbound
	keys    []inbound // the columns as the record key has them
	byName  map[string]int
	from    *changelog.Table // the table that ReaderOptions gave, nil when they gave none
}

// newPlan prepares to read the rows of a table. modes says how each column is written.
func newPlan(t *changelog.Table, fields func(column string) string, modes func(i int) *Config) (*rowPlan, error) {
	p := &rowPlan{
		table: t, columns: make([]inbound, len(t.Columns)), keys: make([]inbound, len(t.Columns)),
		byName: make(map[string]int, len(t.Columns)),
	}
	for i := range t.Columns {
		cfg := modes(i)
		if err := (inboundCompiler{cfg: cfg, origin: t.Origin}).column(&p.columns[i], &t.Columns[i]); err != nil {
			return nil, err
		}
		if err := (inboundCompiler{cfg: cfg, origin: t.Origin, key: true}).column(&p.keys[i], &t.Columns[i]); err != nil {
			return nil, err
		}
		p.keys[i].keyForm()
		name := fields(t.Columns[i].Name)
		p.columns[i].name, p.keys[i].name = name, name
		p.byName[name] = i
	}
	return p, nil
}

// keyForm adapts a column to what keys have otherwise, see keyColumn.
func (c *inbound) keyForm() {
	if c.kind == changelog.KindBitString {
		c.text = true
	}
	if c.elem != nil {
		c.elem.keyForm()
	}
}

// origin finds the table that the message is about. Only what its source block says counts: messages of Flink have none, and
// are about the table that their topic is named after.
func (r *reader) origin() (*origin, error) {
	p := &r.place
	if p.table == nil {
		return r.originOfTopic()
	}
	raw := [4][]byte{p.connector, p.database, p.schema, p.table}
	if r.last != nil && r.last.is(&raw) {
		return r.last, nil
	}
	r.scratch = r.scratch[:0]
	for _, part := range raw {
		r.scratch = append(append(r.scratch, part...), 0)
	}
	o, ok := r.tables[string(r.scratch)]
	if !ok {
		key := string(r.scratch)
		o = &origin{}
		for i, to := range []*string{&o.connector, &o.database, &o.schema, &o.name} {
			o.raw[i] = bytes.Clone(raw[i])
			text, err := decodeText(orNull(raw[i]))
			if err != nil {
				return nil, err
			}
			*to = text
		}
		if len(r.tables) == maxTables { // what is remembered of them can be found again
			clear(r.tables)
		}
		r.tables[key] = o
	}
	r.last = o
	return o, nil
}

func orNull(raw []byte) []byte {
	if raw == nil {
		return []byte("null")
	}
	return raw
}

func (o *origin) is(raw *[4][]byte) bool {
	for i := range raw {
		if !bytes.Equal(o.raw[i], raw[i]) {
			return false
		}
	}
	return true
}

// topic remembers what the messages of a topic are about, for the tombstones among them.
func (r *reader) topic(name string, o *origin) {
	if r.topics[name] != o {
		r.topics[strings.Clone(name)] = o
	}
}

// originOfTopic goes by what the messages before were about, or else by the topic's name, which ends with the table's.
func (r *reader) originOfTopic() (*origin, error) {
	if o := r.topics[r.record.Topic]; o != nil {
		r.last = o
		return o, nil
	}
	parts := strings.Split(r.record.Topic, ".")
	name := parts[len(parts)-1]
	if name == "" {
		return nil, errors.New("neither message nor topic names the table")
	}
	o := &origin{name: name}
	if len(parts) > 1 {
		o.database = parts[len(parts)-2]
	}
	r.topics[r.record.Topic], r.last = o, o
	return o, nil
}

// plan finds or makes what reads the rows of the message.
func (r *reader) plan(e *envelope, schema []byte, keyed bool) (*rowPlan, error) {
	o, err := r.origin()
	if err != nil {
		return nil, err
	}
	known := r.known(o)
	switch {
	case schema != nil:
		return r.planOfSchema(o, known, schema, keyed)
	case known != nil:
		return r.planOfTable(o, known)
	}
	return r.planOfGuess(o, e, keyed)
}

func (r *reader) known(o *origin) *changelog.Table {
	if r.options.Table == nil {
		return nil
	}
	return r.options.Table(o.namespace(), o.name)
}

// planOfTable reads rows of a table that is known, in the forms of the options.
func (r *reader) planOfTable(o *origin, t *changelog.Table) (*rowPlan, error) {
	if o.plan != nil && o.plan.from == t && o.described == nil {
		return o.plan, nil
	}
	p, err := newPlan(t, r.fieldName, func(int) *Config { return &r.cfg })
	if err != nil {
		return nil, err
	}
	p.from = t
	o.plan, o.before, o.described = p, nil, nil
	return p, nil
}

// fieldName is the name of the field that a column is written in.
func (r *reader) fieldName(column string) string {
	return adjustName(r.cfg.Schemas.FieldNameAdjustmentMode, column, false)
}

// planOfTopic reads a key without a value.
func (r *reader) planOfTopic() (*rowPlan, error) {
	o, err := r.originOfTopic()
	if err != nil {
		return nil, err
	}
	if o.plan != nil {
		return o.plan, nil
	}
	if known := r.known(o); known != nil {
		return r.planOfTable(o, known)
	}
	return r.planOfKey(o)
}

// keyNames gives the columns of the record's key in their order.
func (r *reader) keyNames(t *changelog.Table, fields func(string) string) []int {
	var key []int
	for n := 0; n < r.key.Len(); n = r.key.Next(n) {
		name := r.key.Name(n)
		for i := range t.Columns {
			if fields(t.Columns[i].Name) == string(name) {
				key = append(key, i)
			}
		}
	}
	return key
}

// keyIs reports that the record's key has the columns that the table has.
func (r *reader) keyIs(p *rowPlan) bool {
	i := 0
	for n := 0; n < r.key.Len(); n = r.key.Next(n) {
		if i >= len(p.table.Key) || p.keys[p.table.Key[i]].name != string(r.key.Name(n)) {
			return false
		}
		i++
	}
	return i == len(p.table.Key)
}

// message parts a record's value from the schema that it may come with. The payload is taken apart in r.value, to the depth of
// rows.
func (r *reader) payload(doc []byte) (schema []byte, err error) {
	if o := r.last; o != nil && o.before != nil && bytes.HasPrefix(doc, o.before) && doc[len(doc)-1] == '}' {
		return o.described, r.value.Parse(doc[len(o.before):len(doc)-1], 2)
	}
	x := &r.value
	if err := x.Parse(doc, 2); err != nil {
		return nil, err
	}
	r.wrapping = nil
	schemaAt, payloadAt := -1, -1
	for n := 0; n < x.Len(); n = x.Next(n) {
		switch string(x.Name(n)) {
		case "schema":
			schemaAt = n
		case "payload":
			payloadAt = n
		default:
			return nil, nil
		}
	}
	if schemaAt < 0 || payloadAt < 0 || !jsonx.IsObject(x.Value(payloadAt)) {
		return nil, nil
	}
	schema, payload := x.Value(schemaAt), x.Value(payloadAt)
	from := x.Start(payloadAt)
	if typed, err := isSchema(schema); err != nil || !typed && !jsonx.IsNull(schema) {
		return nil, err
	}
	if jsonx.IsNull(schema) {
		schema = nil
	} else if from+len(payload)+1 == len(doc) {
		r.wrapping = doc[:from]
	}
	return schema, x.Parse(payload, 2)
}
