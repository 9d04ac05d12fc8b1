package debezium

import (
	"errors"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// guess is what the messages about a table have told of its columns, where neither a schema nor anybody else describes it.
// A type only ever gets wider, so that a table has few versions.
type guess struct {
	known map[string]changelog.Kind // by column; without those that were always null
}

func undescribed(o *origin) error {
	return fault.NewFinal(fault.SchemaUnknown, "reading debezium-json of table "+o.name, errors.New("nothing says what its columns are"),
		"Read messages that were written with schemas, or name a pipeline whose source describes the table (--tables); --guess-types takes values as JSON has them.")
}

// widen gives the narrowest type that has all values of two. KindNull is a column of which nothing is known.
func widen(a, b changelog.Kind) changelog.Kind {
	number := func(k changelog.Kind) bool {
		return k == changelog.KindInt || k == changelog.KindFloat64 || k == changelog.KindDecimal
	}
	switch {
	case a == b || b == changelog.KindNull:
		return a
	case a == changelog.KindNull:
		return b
	case number(a) && number(b):
		return changelog.KindDecimal
	}
	return changelog.KindJSON
}

// kindOf tells the type of a raw value. A number is a double only if the double, written again, is the same text.
func kindOf(raw []byte) changelog.Kind {
	switch raw[0] {
	case 'n':
		return changelog.KindNull
	case 't', 'f':
		return changelog.KindBool
	case '"':
		return changelog.KindString
	case '{', '[':
		return changelog.KindJSON
	}
	if _, err := jsonx.Int(raw); err == nil {
		return changelog.KindInt
	}
	var buf [32]byte
	if f, err := strconv.ParseFloat(view(raw), 64); err == nil && string(jsonx.AppendJavaDouble(buf[:0], f)) == string(raw) {
		return changelog.KindFloat64
	}
	return changelog.KindDecimal
}

// planOfGuess reads rows of which the message alone tells. The columns are those of the new row, or of the old one if there
// is no other; an old row that has fewer of them is one that the log knew in part.
func (r *reader) planOfGuess(o *origin, e *envelope, keyed bool) (*rowPlan, error) {
	if r.options.Described {
		return nil, undescribed(o)
	}
	at := e.after
	if !image(&r.value, at) {
		at = e.before
	}
	if !image(&r.value, at) {
		if o.plan != nil {
			return o.plan, nil
		}
		return r.planOfKey(o)
	}
	p := o.plan
	fits := p != nil && p.from == nil && o.described == nil && (!keyed || r.keyIs(p)) && r.fits(p, at, at == e.after)
	if fits && at == e.after && image(&r.value, e.before) {
		fits = r.fits(p, e.before, false)
	}
	if fits {
		return p, nil
	}
	return r.guess(o, e, at)
}

// fits reports that an image has columns of the plan alone, all of them if it is whole, and values as they have them.
func (r *reader) fits(p *rowPlan, at int, whole bool) bool {
	x := &r.value
	next, fields := 0, 0
	for n := at + 1; n < x.Next(at); n = x.Next(n) {
		i := next
		fields++
		if name := x.Name(n); i >= len(p.columns) || p.columns[i].name != string(name) {
			var ok bool
			if i, ok = p.byName[string(name)]; !ok {
				return false
			}
		}
		next = i + 1
		kind := kindOf(x.Value(n))
		if kind != changelog.KindNull && kind != p.columns[i].kind && widen(p.columns[i].kind, kind) != p.columns[i].kind {
			return false
		}
	}
	return !whole || fields == len(p.columns) // one that is there twice is refused later
}

// guess makes another version of the table.
func (r *reader) guess(o *origin, e *envelope, at int) (*rowPlan, error) {
	if len(o.guess.known) > maxTables || o.guess.known == nil {
		o.guess.known = map[string]changelog.Kind{}
	}
	x := &r.value
	for _, at := range [...]int{e.before, e.after} {
		if !image(x, at) {
			continue
		}
		for n := at + 1; n < x.Next(at); n = x.Next(n) {
			name := string(x.Name(n))
			o.guess.known[name] = widen(o.guess.known[name], kindOf(x.Value(n)))
		}
	}
	t := &changelog.Table{Origin: o.connector, Database: o.database, Schema: o.schema, Name: o.name, Inferred: true}
	for n := at + 1; n < x.Next(at); n = x.Next(n) {
		t.Columns = append(t.Columns, o.guess.column(string(x.Name(n)), o.connector))
	}
	return r.guessed(o, t)
}

// planOfKey reads keys of a table of which nothing else was seen yet.
func (r *reader) planOfKey(o *origin) (*rowPlan, error) {
	if r.options.Described {
		return nil, undescribed(o)
	}
	x := &r.key
	g := guess{known: map[string]changelog.Kind{}}
	t := &changelog.Table{Origin: o.connector, Database: o.database, Schema: o.schema, Name: o.name, Inferred: true}
	for n := 0; n < x.Len(); n = x.Next(n) {
		name := string(x.Name(n))
		g.known[name] = kindOf(x.Value(n))
		t.Columns = append(t.Columns, g.column(name, o.connector))
	}
	return r.guessed(o, t)
}

func (r *reader) guessed(o *origin, t *changelog.Table) (*rowPlan, error) {
	same := func(name string) string { return name }
	t.Key = r.keyNames(t, same)
	t = r.options.Intern(t)
	// The forms are those of JSON itself.
	forms := &Config{DecimalHandlingMode: decimalString, UnavailableValuePlaceholder: r.cfg.UnavailableValuePlaceholder}
	p, err := newPlan(t, same, func(int) *Config { return forms })
	if err != nil {
		return nil, err
	}
	for i := range p.columns {
		if p.columns[i].kind == changelog.KindJSON {
			p.columns[i].read, p.keys[i].read = readDocument, readDocument
		}
	}
	o.plan, o.before, o.described = p, nil, nil
	return p, nil
}

// readDocument keeps a value as it stands, in a column whose values are of several types.
func readDocument(r *reader, _ *inbound, raw []byte) (changelog.Value, error) {
	return changelog.JSON(r.batch.Copy(raw)), nil
}

// column makes a column of what is known of it.
func (g *guess) column(name, connector string) changelog.Column {
	c := changelog.Column{Name: name, Nullable: true}
	pg := connector == postgres
	of := func(kind changelog.Kind, bits int, mysql, postgres string) {
		c.Type = changelog.Type{Kind: kind, Bits: bits}
		if c.SourceType = mysql; pg {
			c.SourceType = postgres
		}
	}
	switch kind := g.known[name]; kind {
	case changelog.KindBool:
		of(kind, 0, "boolean", "boolean")
	case changelog.KindInt:
		of(kind, 64, "bigint", "bigint")
	case changelog.KindFloat64:
		of(kind, 64, "double", "double precision")
	case changelog.KindDecimal:
		of(kind, 0, "decimal", "numeric")
	case changelog.KindJSON:
		of(kind, 0, documentType, documentType)
	default:
		of(changelog.KindString, 0, "longtext", "text")
	}
	return c
}
