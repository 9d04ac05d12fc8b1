package schema

import "strconv"

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
	d := keyDetail{place: r.place()}
	if r.accept("CONSTRAINT") {
		if t := r.peek(); t.kind == quoted || t.kind == word && !(t.is("PRIMARY") || t.is("UNIQUE") || t.is("FOREIGN") || t.is("CHECK")) {
			r.accept("IF", "NOT", "EXISTS")
			d.symbol = r.identifier()
		}
	}
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
	if t := r.peek(); t.name() && !t.is("USING") && !(t.is("TYPE") && !r.at(1).punct('(')) {
		name := r.identifier()
		if d.foreign && d.symbol != "" {
			name = d.symbol
		}
		r.emit(quoteName(name))
	} else if d.symbol != "" {
		r.emit(quoteName(d.symbol))
	}
	r.indexType()
	r.keyParts()
	if d.foreign {
		r.expect("REFERENCES")
		r.references()
	} else {
		r.indexOptions()
	}
	r.emit(mark(len(r.out.keys)))
	r.out.keys = append(r.out.keys, d)
	return true
}

func (r *reader) indexType() {
	if r.acceptOne("USING", "TYPE") {
		r.identifier()
	}
}

// keyParts takes the columns of an index.
func (r *reader) keyParts() {
	r.expectPunct('(')
	r.emit(" (")
	for r.err == nil {
		r.keyPart()
		if !r.acceptPunct(',') {
			break
		}
		r.emit(", ")
	}
	r.expectPunct(')')
	r.emit(")")
}

func (r *reader) keyPart() {
	if r.peek().punct('(') {
		r.group()
		r.emit("((1))")
	} else {
		r.emit(quoteName(r.identifier()))
		if r.acceptPunct('(') {
			r.emit("(", strconv.Itoa(r.number()), ")")
			r.expectPunct(')')
		}
		r.accept("WITHOUT", "OVERLAPS") // MariaDB: a period's name, which stands for its end
	}
	if r.accept("DESC") {
		r.emit(" DESC")
	} else {
		r.accept("ASC")
	}
}

// indexOptions skips what may follow the columns of an index.
func (r *reader) indexOptions() {
	for r.err == nil {
		switch {
		case r.acceptOne("KEY_BLOCK_SIZE", "COMMENT", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "CLUSTERING"):
			r.acceptPunct('=')
			r.value()
		case r.acceptOne("USING", "TYPE"):
			r.identifier()
		case r.accept("WITH", "PARSER"):
			r.identifier()
		case r.acceptOne("VISIBLE", "INVISIBLE", "IGNORED"), r.accept("NOT", "IGNORED"):
		case r.peek().name() && r.at(1).punct('='): // of the engine, such as a vector's M=8
			r.pos += 2
			r.value()
		default:
			return
		}
	}
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
	r.indexType()
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
	r.keyParts()
	r.indexOptions()
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
