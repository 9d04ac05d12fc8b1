package mysql

// This file judges ALTER TABLE: which of its clauses change values of rows that are there already. A clause that cannot be
// known to keep them counts as one that does not.

func (p *statementParser) alter() statement {
	p.skip("ONLINE", "OFFLINE")
	p.ignore = p.accept("IGNORE")
	switch {
	case p.accept("DATABASE", "SCHEMA"):
		st := statement{kind: stmtNeutral, defines: true, database: p.database}
		if t := p.peek(); !t.is("CHARACTER") && !t.is("CHARSET") && !t.is("DEFAULT") && !t.is("COLLATE") && !t.is("ENCRYPTION") && !t.is("READ") && !t.is("COMMENT") {
			st.database = t.text
		}
		return st
	case p.accept("SEQUENCE"):
		p.skip("IF", "EXISTS")
		return statement{kind: stmtNeutral, defines: true, sequence: true, creates: true, tables: []tableName{p.table()}}
	case !p.accept("TABLE"):
		return statement{kind: stmtNeutral}
	}
	p.skip("IF", "EXISTS")
	st := statement{kind: stmtShape, defines: true, tables: []tableName{p.table()}}
	p.patience()
	st.keeps = true
	for {
		st.keeps = st.keeps && p.keepsShape()
		if p.clause(&st) {
			st.kind = stmtRows
		}
		if p.peek().kind == tokenEnd {
			return st.judged()
		}
		p.next() // the comma
	}
}

// keepsShape looks at the first word of a clause: is it one that no column, no index and not the engine depends on?
func (p *statementParser) keepsShape() bool {
	for _, w := range []string{"FORCE", "AUTO_INCREMENT", "COMMENT", "ROW_FORMAT", "KEY_BLOCK_SIZE", "STATS_PERSISTENT", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES", "ALGORITHM",
		"LOCK", "ENABLE", "DISABLE", "REORGANIZE", "COALESCE", "REBUILD", "OPTIMIZE", "ANALYZE", "CHECK", "REPAIR", "REMOVE", "EXCHANGE", "TRUNCATE"} {
		if p.peek().is(w) {
			return true
		}
	}
	if !p.peek().is("ADD") && !p.peek().is("DROP") {
		return false
	}
	ahead := *p
	ahead.next()
	return ahead.peek().is("PARTITION")
}

// clause reads one clause, up to a comma outside of parentheses, and reports whether it changes values.
func (p *statementParser) clause(st *statement) bool {
	changes := false
	switch {
	case p.accept("ADD"):
		return p.add()
	case p.accept("MODIFY"):
		p.retype(st, false)
	case p.accept("CHANGE"):
		p.retype(st, true)
	case p.accept("TRUNCATE", "DISCARD", "IMPORT"):
		changes = true
	case p.accept("DROP"):
		changes = p.accept("PARTITION", "SYSTEM") // SYSTEM VERSIONING takes the rows of the past along
	case p.accept("CONVERT"):
		changes = true // of MariaDB, between partitions and tables
		switch {
		case p.accept("TABLE"):
			st.tables = append(st.tables, p.table())
		case p.accept("PARTITION"):
			p.tableAfter("TO", st)
		default: // TO CHARACTER SET
			changes = false
		}
	case p.accept("EXCHANGE"):
		changes = true
		p.tableAfter("WITH", st)
	case p.accept("RENAME"):
		if p.accept("COLUMN", "INDEX", "KEY") {
			break
		}
		changes = true
		p.skip("TO", "AS")
		if p.peek().punct('=') {
			p.next()
		}
		to := p.table()
		st.renames = append(st.renames, rename{st.tables[0], to})
		st.tables = append(st.tables, to)
	}
	p.restOfClause(nil)
	return changes
}

// retype reads the column that is defined anew, and its new name if it gets one.
func (p *statementParser) retype(st *statement, renames bool) {
	p.accept("COLUMN")
	p.skip("IF", "EXISTS")
	r := retype{from: p.next().text}
	r.to = r.from
	if renames {
		r.to = p.next().text
	}
	st.retypes = append(st.retypes, r)
}

// judged ends the reading of an ALTER TABLE: columns that are defined anew convert values unless what is known of the table says
// otherwise (retype.go), and that helps only if no other clause changes any.
func (st statement) judged() statement {
	switch {
	case st.kind == stmtRows:
		st.retypes = nil
	case len(st.retypes) > 0:
		st.kind = stmtRows
	}
	return st
}

// tableAfter reads up to the word and TABLE, and the table that follows.
func (p *statementParser) tableAfter(word string, st *statement) {
	for t := p.peek(); t.kind != tokenEnd; t = p.peek() {
		if p.next(); t.is(word) && p.accept("TABLE") {
			st.tables = append(st.tables, p.table())
			return
		}
	}
}

// add reads what follows ADD. Keys, constraints and partitions change no value; a column changes those of all rows unless it
// is NULL in each.
func (p *statementParser) add() bool {
	if p.ignore && (p.peek().is("UNIQUE") || p.peek().is("PRIMARY") || p.peek().is("CONSTRAINT")) {
		p.restOfClause(nil)
		return true // of MariaDB: rows that the new key does not allow are removed
	}
	if p.accept("INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY", "CONSTRAINT", "FOREIGN", "CHECK", "PARTITION", "PERIOD", "SYSTEM") {
		p.restOfClause(nil)
		return false
	}
	p.accept("COLUMN")
	p.skip("IF", "NOT", "EXISTS")
	var f filler
	p.restOfClause(&f)
	return f.fills
}

// restOfClause takes the tokens up to the clause's end.
func (p *statementParser) restOfClause(f *filler) {
	for {
		t := p.peek()
		if t.kind == tokenEnd || p.depth == 0 && t.punct(',') {
			return
		}
		p.next()
		if f != nil {
			f.see(t)
		}
	}
}

// filler looks for what gives a new column a value in old rows: NOT NULL (the type's zero), DEFAULT of anything but NULL,
// AUTO_INCREMENT, SERIAL, or an expression.
type filler struct {
	last  token
	fills bool
}

func (f *filler) see(t token) {
	switch {
	case f.last.is("NOT") && t.is("NULL"),
		f.last.is("DEFAULT") && !t.is("NULL"),
		f.last.is("AS") && t.punct('('),
		t.is("AUTO_INCREMENT"), t.is("SERIAL"):
		f.fills = true
	}
	f.last = t
}
