package mysql

// This file reads the statements that make, remove and rename tables, and their relatives.

func (p *statementParser) create() statement {
	replace := false
	if p.accept("OR") {
		replace = p.accept("REPLACE")
	}
	switch {
	case p.accept("DATABASE", "SCHEMA"):
		p.skip("IF", "NOT", "EXISTS")
		return statement{kind: stmtNeutral, defines: true, database: p.next().text}
	case p.accept("SEQUENCE"):
		p.skip("IF", "NOT", "EXISTS")
		return statement{kind: stmtNeutral, defines: true, sequence: true, creates: true, tables: []tableName{p.table()}}
	case p.accept("TABLE"):
		return p.createTable(replace)
	}
	p.skip("ONLINE", "OFFLINE", "UNIQUE", "FULLTEXT", "SPATIAL")
	if p.accept("INDEX") {
		return p.index()
	}
	return statement{kind: stmtNeutral} // CREATE TEMPORARY TABLE too: its rows are never logged
}

func (p *statementParser) createTable(replace bool) statement {
	p.skip("IF", "NOT", "EXISTS")
	st := statement{kind: stmtShape, defines: true, creates: true, tables: []tableName{p.table()}}
	st.keeps = !replace // where there is one, the statement has done nothing
	if replace {
		st.kind = stmtRows // a table of that name goes first
	}
	for t := p.next(); t.kind != tokenEnd; t = p.next() {
		if t.is("LIKE") && p.depth <= 1 && st.like.name == "" {
			st.like = p.table()
		}
		if t.is("SELECT") || p.depth == 0 && (t.is("TABLE") || t.is("VALUES")) {
			st.kind = stmtDML // filled by a query that is logged as text
		}
	}
	return st
}

// index reads what follows CREATE INDEX or DROP INDEX, up to the table.
func (p *statementParser) index() statement {
	p.skip("IF", "NOT", "EXISTS")
	st := statement{kind: stmtShape, defines: true}
	p.next() // its name, which may be any word
	for t := p.next(); t.kind != tokenEnd; t = p.next() {
		if t.is("ON") {
			st.tables = []tableName{p.table()}
			return st
		}
	}
	return statement{}
}

func (p *statementParser) drop() statement {
	switch {
	case p.accept("DATABASE", "SCHEMA"):
		p.skip("IF", "EXISTS")
		name := p.next().text
		return statement{kind: stmtRows, defines: true, database: name, tables: []tableName{{name, ""}}}
	case p.accept("SEQUENCE"):
		p.skip("IF", "EXISTS")
		return statement{kind: stmtNeutral, defines: true, sequence: true, tables: p.tableList()}
	case p.accept("TABLE", "TABLES"):
		p.skip("IF", "EXISTS")
		return statement{kind: stmtRows, defines: true, tables: p.tableList()}
	}
	p.skip("ONLINE", "OFFLINE")
	if p.accept("INDEX") {
		return p.index()
	}
	return statement{kind: stmtNeutral}
}

// tableList reads names between commas.
func (p *statementParser) tableList() []tableName {
	out := []tableName{p.table()}
	for p.peek().punct(',') {
		p.next()
		out = append(out, p.table())
	}
	return out
}

func (p *statementParser) rename() statement {
	if !p.accept("TABLE", "TABLES") {
		return statement{kind: stmtNeutral}
	}
	st := statement{kind: stmtRows, defines: true}
	p.skip("IF", "EXISTS")
	for {
		from := p.table()
		p.patience()
		if !p.accept("TO") {
			return statement{}
		}
		to := p.table()
		st.tables = append(st.tables, from, to)
		st.renames = append(st.renames, rename{from, to})
		if !p.peek().punct(',') {
			return st
		}
		p.next()
	}
}

// patience steps over WAIT n and NOWAIT of MariaDB.
func (p *statementParser) patience() {
	if p.accept("NOWAIT") || !p.accept("WAIT") {
		return
	}
	p.next()
}
