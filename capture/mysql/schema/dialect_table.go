package schema

import (
	"bytes"
	"strings"
)

// tableOptions is what matters of the options of a table or a database.
type tableOptions struct {
	charset   string // "default": the database's, or the server's
	collation string
	convert   bool // CONVERT TO: the columns too
	engine    string
	versioned bool // WITH SYSTEM VERSIONING
	plain     bool // DROP SYSTEM VERSIONING
}

// createTable takes what follows CREATE TABLE.
func (r *reader) createTable() {
	r.out.ifNotExists = r.accept("IF", "NOT", "EXISTS")
	r.emit("CREATE TABLE ")
	r.table()
	if r.accept("LIKE") {
		r.emit(" LIKE ")
		r.table()
		return
	}
	if r.peek().punct('(') {
		switch {
		case r.at(1).is("LIKE") && r.at(2).name() && (r.at(3).punct(')') || r.at(3).punct('.')):
			r.pos += 2
			r.emit(" LIKE ")
			r.table()
			r.expectPunct(')')
			return
		case r.query(1):
			r.selects()
			return
		}
		r.elements()
	}
	r.createOptions()
	if r.query(0) {
		r.selects()
	}
}

// query reports that a query comes after n tokens.
func (r *reader) query(n int) bool {
	for r.at(n).punct('(') {
		n++
	}
	t := r.at(n)
	return t.is("SELECT") || t.is("VALUES") || t.is("TABLE") || t.is("AS") || t.is("IGNORE") || t.is("REPLACE") ||
		t.is("WITH") && !r.at(n+1).is("SYSTEM") && !r.at(n+1).punct('(')
}

// selects says that the columns come from a query, and leaves it unread.
func (r *reader) selects() {
	r.out.selects = true
	r.pos = len(r.tokens)
	if !bytes.Contains(r.b, []byte{'('}) {
		r.emit(" (x INT)")
	}
}

// elements takes the columns and indexes of a table, in parentheses.
func (r *reader) elements() {
	r.expectPunct('(')
	r.emit(" (")
	first := true
	for r.err == nil {
		r.element(&first)
		if !r.acceptPunct(',') {
			break
		}
	}
	r.expectPunct(')')
	r.emit(")")
}

// element takes a column or an index. What leaves nothing to write leaves no comma either.
func (r *reader) element(first *bool) {
	before := len(r.b)
	if !*first {
		r.emit(", ")
	}
	switch {
	case r.peek().is("PERIOD") && r.at(1).is("FOR"):
		r.period()
	case r.startsKey():
		if r.key() {
			*first = false
			return
		}
	default:
		r.column()
		*first = false
		return
	}
	r.b = r.b[:before]
}

// period takes PERIOD FOR name (begin, end). That of SYSTEM_TIME is known by its columns.
func (r *reader) period() {
	r.expect("PERIOD")
	r.accept("IF", "NOT", "EXISTS")
	r.expect("FOR")
	r.accept("IF", "NOT", "EXISTS")
	p := &Period{Name: r.identifier()}
	r.expectPunct('(')
	p.Begin = r.identifier()
	r.expectPunct(',')
	p.End = r.identifier()
	r.expectPunct(')')
	if !strings.EqualFold(p.Name, "SYSTEM_TIME") {
		r.out.period = p
	}
}

// createOptions takes the options of a new table, with its partitions, and writes their place.
func (r *reader) createOptions() {
	var o tableOptions
	for r.err == nil && !r.done() {
		r.acceptPunct(',')
		if r.peek().is("PARTITION") && r.at(1).is("BY") {
			r.partitions()
			continue
		}
		if r.query(0) {
			break
		}
		if !r.accept("START", "TRANSACTION") && !r.option(&o) { // of a CREATE … SELECT, as it is logged
			r.fail("an option of a table")
		}
	}
	r.emit(mark(len(r.out.options)))
	r.out.options = append(r.out.options, o)
}

// option takes one option of a table.
func (r *reader) option(o *tableOptions) bool {
	if r.peek().is("DEFAULT") && !r.at(1).punct('=') {
		r.pos++
		if !r.charsetOption(o) {
			r.fail("CHARACTER SET or COLLATE")
		}
		return true
	}
	switch {
	case r.charsetOption(o):
	case r.acceptOne("ENGINE", "TYPE"):
		r.acceptPunct('=')
		o.engine = r.next().text
	case r.accept("WITH", "SYSTEM", "VERSIONING"):
		o.versioned = true
	case r.accept("DATA", "DIRECTORY"), r.accept("INDEX", "DIRECTORY"):
		r.acceptPunct('=')
		r.text()
	case r.accept("UNION"):
		r.acceptPunct('=')
		r.group()
	case r.accept("STORAGE"):
		r.identifier()
	case r.accept("FORCE"):
	case r.peek().name() && (r.at(1).punct('=') || r.peek().kind == word && r.at(1).kind != end && r.at(1).kind != punct):
		r.pos++
		r.acceptPunct('=')
		r.value()
	default:
		return false
	}
	return true
}

// charsetOption takes [CHARACTER SET|COLLATE] [=] name, where DEFAULT is a name too.
func (r *reader) charsetOption(o *tableOptions) bool {
	switch {
	case r.accept("CHARACTER", "SET"), r.accept("CHARSET"), r.accept("CHAR", "SET"):
		r.acceptPunct('=')
		o.charset = r.charsetName()
		if !r.server.MariaDB && r.server.Version < 80000 {
			o.collation = "" // the last of the two decides
		}
	case r.accept("COLLATE"):
		r.acceptPunct('=')
		o.collation = r.charsetName()
	default:
		return false
	}
	return true
}

// partitions skips PARTITION BY up to the end, or to a query.
func (r *reader) partitions() {
	r.expect("PARTITION", "BY")
	for r.err == nil && !r.done() {
		switch {
		case r.peek().punct('('):
			r.group()
		case r.peek().is("SELECT"), r.peek().is("AS"), r.peek().is("IGNORE"), r.peek().is("REPLACE"), r.peek().is("WITH"),
			r.peek().is("VALUES"), r.peek().is("START"), r.peek().punct(','):
			return
		default:
			r.next()
		}
	}
}
