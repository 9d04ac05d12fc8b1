package schema

import (
	"strconv"
	"strings"
)

var keyWords = set("index", "key", "unique", "primary", "fulltext", "spatial", "vector", "foreign", "constraint", "check")

// startsKey reports that an index or another constraint comes next, and no column. All but INDEX and KEY of these words
// that are names in some releases are followed by what cannot be a type.
func (r *reader) startsKey() bool {
	t, after := r.peek(), r.at(1)
	if !t.in(keyWords) {
		return false
	}
	if t.is("VECTOR") {
		return after.is("INDEX") || after.is("KEY") || after.punct('(')
	}
	return true
}

// key takes an index, a foreign key or a check and writes an index in its place. It reports whether there is one to write.
func (r *reader) key() bool {
	d := keyDetail{place: r.place(), symbol: r.symbol()}
	switch {
	case r.peek().is("CHECK"):
		r.check()
		return false
	case r.accept("PRIMARY", "KEY"):
		r.emit("PRIMARY KEY ")
	case r.accept("UNIQUE"):
		r.acceptOne("INDEX", "KEY")
		r.emit("UNIQUE KEY ")
	case r.accept("FOREIGN", "KEY"):
		d.foreign = true
		r.emit("INDEX ")
	case r.acceptOne("FULLTEXT", "SPATIAL", "VECTOR"):
		r.acceptOne("INDEX", "KEY")
		r.emit("INDEX ")
	case r.acceptOne("INDEX", "KEY"):
		r.emit("INDEX ")
	default:
		r.fail("an index")
		return false
	}
	d.ifNotExists = r.accept("IF", "NOT", "EXISTS")
	if t := r.peek(); t.name() && !t.is("USING") && (!t.is("TYPE") || r.at(1).punct('(')) {
		name := r.identifier()
		if d.foreign && d.symbol != "" {
			name = d.symbol
		}
		r.emit(quoteName(name))
	} else if d.symbol != "" {
		r.emit(quoteName(d.symbol))
	}
	d.hash = r.indexType()
	d.overlaps = r.keyParts()
	if d.foreign {
		r.expect("REFERENCES")
		r.references()
	} else {
		d.hash = r.indexOptions() || d.hash
	}
	r.emit(mark(len(r.out.keys)))
	r.out.keys = append(r.out.keys, d)
	return true
}

// symbol takes CONSTRAINT and its name, and gives that; "" when there is none.
func (r *reader) symbol() string {
	if !r.accept("CONSTRAINT") {
		return ""
	}
	t := r.peek()
	if t.kind != quoted && (t.kind != word || t.is("PRIMARY") || t.is("UNIQUE") || t.is("FOREIGN") || t.is("CHECK")) {
		return ""
	}
	r.accept("IF", "NOT", "EXISTS")
	return r.identifier()
}

// indexType takes USING, and reports HASH.
func (r *reader) indexType() bool {
	return r.acceptOne("USING", "TYPE") && strings.EqualFold(r.identifier(), "HASH")
}

// keyParts takes the columns of an index, and reports that the last is a period.
func (r *reader) keyParts() (overlaps bool) {
	r.expectPunct('(')
	r.emit(" (")
	for r.err == nil {
		overlaps = r.keyPart()
		if !r.acceptPunct(',') {
			break
		}
		r.emit(", ")
	}
	r.expectPunct(')')
	r.emit(")")
	return overlaps
}

// keyPart takes a part of an index, and reports a period.
func (r *reader) keyPart() (overlaps bool) {
	if r.peek().punct('(') {
		r.group()
		r.emit("((1))")
	} else {
		r.emit(quoteName(r.identifier()))
		if r.acceptPunct('(') {
			r.emit("(", strconv.Itoa(r.number()), ")")
			r.expectPunct(')')
		}
		overlaps = r.accept("WITHOUT", "OVERLAPS")
	}
	if r.accept("DESC") {
		r.emit(" DESC")
	} else {
		r.accept("ASC")
	}
	return overlaps
}

// indexOptions skips what may follow the columns of an index, and reports USING HASH.
func (r *reader) indexOptions() (hash bool) {
	for r.err == nil {
		switch {
		case r.acceptOne("KEY_BLOCK_SIZE", "COMMENT", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "CLUSTERING"):
			r.acceptPunct('=')
			r.value()
		case r.peek().is("USING"), r.peek().is("TYPE"):
			hash = r.indexType()
		case r.accept("WITH", "PARSER"):
			r.identifier()
		case r.acceptOne("VISIBLE", "INVISIBLE", "IGNORED"), r.accept("NOT", "IGNORED"):
		case r.peek().name() && r.at(1).punct('='): // of the engine, such as a vector's M=8
			r.pos += 2
			r.value()
		default:
			return hash
		}
	}
	return hash
}

// value takes a name, a number or a text.
func (r *reader) value() {
	t := r.next()
	if t.kind == end || t.kind == punct {
		r.fail("a value")
	}
	for t.kind == word && r.acceptPunct('.') {
		r.next()
	}
}

// createIndex takes CREATE [UNIQUE|…] INDEX name ON table (…) and writes the ALTER TABLE that does the same.
func (r *reader) createIndex() {
	r.acceptOne("ONLINE", "OFFLINE")
	unique := r.accept("UNIQUE")
	if !unique {
		r.acceptOne("FULLTEXT", "SPATIAL", "VECTOR")
	}
	r.expect("INDEX")
	d := keyDetail{ifNotExists: r.accept("IF", "NOT", "EXISTS")}
	replace := r.out.orReplace
	name := r.identifier()
	d.hash = r.indexType()
	r.expect("ON")
	r.emit("ALTER TABLE ")
	r.table()
	if replace {
		r.emit(" DROP INDEX ", quoteName(name), ",")
		r.out.ifExists = true
	}
	if unique {
		r.emit(" ADD UNIQUE KEY ", quoteName(name))
	} else {
		r.emit(" ADD INDEX ", quoteName(name))
	}
	d.overlaps = r.keyParts()
	d.hash = r.indexOptions() || d.hash
	r.emit(mark(0))
	r.out.keys = append(r.out.keys, d)
	r.indexLocks()
}

// dropIndex takes DROP INDEX name ON table and writes the ALTER TABLE that does the same.
func (r *reader) dropIndex() {
	r.out.ifExists = r.accept("IF", "EXISTS")
	name := r.identifier()
	r.expect("ON")
	r.emit("ALTER TABLE ")
	r.table()
	r.emit(" DROP INDEX ", quoteName(name))
	r.indexLocks()
}

// indexLocks skips ALGORITHM, LOCK and WAIT.
func (r *reader) indexLocks() {
	for {
		switch {
		case r.acceptOne("ALGORITHM", "LOCK"):
			r.acceptPunct('=')
			r.identifier()
		case r.peek().is("WAIT"), r.peek().is("NOWAIT"):
			r.wait()
		default:
			return
		}
	}
}
