package mysql

// This file judges ALTER TABLE: which of its clauses change values of rows that are there already. A clause that cannot be
// known to keep them counts as one that does not.

func (p *statementParser) alter() statement {
	p.skip("ONLINE", "OFFLINE", "IGNORE")
	if !p.accept("TABLE") {
		return statement{kind: stmtNeutral}
	}
	st := statement{kind: stmtShape, tables: []tableName{p.table()}}
	for {
		if p.clause(&st) {
			st.kind = stmtRows
		}
		if p.peek().kind == tokenEnd {
			return st
		}
		p.next() // the comma
	}
}

// clause reads one clause, up to a comma outside of parentheses, and reports whether it changes values.
func (p *statementParser) clause(st *statement) bool {
	changes := false
	switch {
	case p.accept("ADD"):
		return p.add()
	case p.accept("MODIFY", "CHANGE"):
		changes = true // converts values
	case p.accept("TRUNCATE", "DISCARD", "IMPORT"):
		changes = true
	case p.accept("DROP"):
		changes = p.accept("PARTITION")
	case p.accept("EXCHANGE"):
		changes = true
		for t := p.peek(); t.kind != tokenEnd; t = p.peek() {
			if p.next(); t.is("WITH") && p.accept("TABLE") {
				st.tables = append(st.tables, p.table())
				break
			}
		}
	case p.accept("RENAME"):
		if p.accept("COLUMN", "INDEX", "KEY") {
			break
		}
		changes = true
		p.skip("TO", "AS")
		if p.peek().punct('=') {
			p.next()
		}
		st.tables = append(st.tables, p.table())
	}
	p.restOfClause(nil)
	return changes
}

// add reads what follows ADD. Keys, constraints and partitions change no value; a column changes those of all rows unless it
// is NULL in each.
func (p *statementParser) add() bool {
	if p.accept("INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY", "CONSTRAINT", "FOREIGN", "CHECK", "PARTITION") {
		p.restOfClause(nil)
		return false
	}
	p.accept("COLUMN")
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
