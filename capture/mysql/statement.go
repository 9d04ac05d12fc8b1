package mysql

import "strings"

// statementKind says what a logged statement means for the rows of tables.
type statementKind uint8

const (
	stmtUnknown    statementKind = iota // we cannot tell: never to be passed over
	stmtNeutral                         // changes no row and no table's shape: accounts, views, procedures, …
	stmtBegin                           //
	stmtCommit                          //
	stmtRollback                        //
	stmtSavepoint                       // name
	stmtRollbackTo                      // name
	stmtXAStart                         // name is the transaction's id
	stmtXAEnd                           // name
	stmtXACommit                        // name
	stmtXARollback                      // name
	stmtDML                             // changes rows of tables, logged as text
	stmtShape                           // changes the shape of tables, or makes them; their rows keep their values
	stmtRows                            // changes or removes rows of tables without row events
)

// tableName is a table as a statement names it. A name of "" is every table of the database.
type tableName struct{ database, name string }

// statement is what classify found.
type statement struct {
	kind     statementKind
	name     string      // of a savepoint, or the id of an XA transaction as it is written
	tables   []tableName // that it concerns
	anything bool        // the tables cannot be told
	truncate bool        // it only empties them
	defines  bool        // it makes, changes or removes the definition of a table, a sequence or a database
	sequence bool        // it is about a sequence
	creates  bool        // it makes tables; of a sequence: there is one afterwards
	database string      // that it makes, changes or removes
	like     tableName   // what it makes a table like
	renames  []rename    // in order
	retypes  []retype    // of ALTER TABLE, when no other clause can change values
	keeps    bool        // it leaves the shape of its tables as it is, if they exist before it
}

// rename is one table of a RENAME TABLE or ALTER TABLE … RENAME.
type rename struct{ from, to tableName }

// retype is a column that an ALTER TABLE defines anew (MODIFY, CHANGE), which changes its values or not.
type retype struct{ from, to string }

// Modes of a session that change how its statements are read (sql_mode).
const modeNoBackslashEscapes = 1 << 20

// classify reads a statement of the log. database is the session's default, mode its sql_mode. It over-approximates: where the
// grammar allows a table, every name counts as one.
func classify(sql, database string, mode uint64) statement {
	p := statementParser{tokenizer: tokenizer{s: sql, plain: mode&modeNoBackslashEscapes != 0}, database: database}
	first := p.next()
	if first.kind == tokenEnd {
		return statement{kind: stmtNeutral} // a comment
	}
	if first.kind != tokenWord {
		return statement{}
	}
	switch strings.ToUpper(first.text) {
	case "BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT":
		return p.boundary(strings.ToUpper(first.text))
	case "XA":
		return p.xa()
	case "INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "SELECT", "DO", "CALL", "VALUES", "TABLE", "HANDLER", "IMPORT":
		return p.dml(first)
	case "CREATE":
		return p.create()
	case "ALTER":
		return p.alter()
	case "DROP":
		return p.drop()
	case "TRUNCATE":
		p.accept("TABLE")
		return statement{kind: stmtRows, truncate: true, tables: []tableName{p.table()}}
	case "RENAME":
		return p.rename()
	case "SET":
		if !p.accept("STATEMENT") {
			return statement{kind: stmtNeutral}
		}
		return p.inner(mode)
	case "RELEASE", "GRANT", "REVOKE", "FLUSH", "ANALYZE", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "INSTALL", "UNINSTALL",
		"LOCK", "UNLOCK", "PURGE", "RESET", "CHANGE", "STOP", "KILL", "CACHE", "USE", "CLONE":
		return statement{kind: stmtNeutral}
	}
	return statement{}
}

// boundary reads what begins or ends a transaction, or a part of one.
func (p *statementParser) boundary(verb string) statement {
	switch verb {
	case "BEGIN":
		if p.accept("NOT") { // ATOMIC: a block of MariaDB, of which the log has the statements
			return statement{}
		}
		return statement{kind: stmtBegin}
	case "START":
		if p.accept("TRANSACTION") {
			return statement{kind: stmtBegin}
		}
		return statement{kind: stmtNeutral} // of replication
	case "COMMIT":
		return statement{kind: stmtCommit}
	case "SAVEPOINT":
		return statement{kind: stmtSavepoint, name: p.next().text}
	}
	p.accept("WORK")
	if !p.accept("TO") {
		return statement{kind: stmtRollback}
	}
	p.accept("SAVEPOINT")
	return statement{kind: stmtRollbackTo, name: p.next().text}
}

type statementParser struct {
	tokenizer
	database string
	ignore   bool // ALTER IGNORE
}

// table reads "name" or "database.name".
func (p *statementParser) table() tableName {
	t := p.next()
	if !t.isName() {
		return tableName{}
	}
	if !p.peek().punct('.') {
		return tableName{p.database, t.text}
	}
	p.next()
	return tableName{t.text, p.next().text}
}

// tablesUntil reads every name up to one of the words outside of parentheses, or the end.
func (p *statementParser) tablesUntil(words ...string) []tableName {
	var out []tableName
	for {
		t := p.peek()
		if t.kind == tokenEnd {
			return out
		}
		for _, w := range words {
			if p.depth == 0 && t.is(w) {
				return out
			}
		}
		if t.isName() {
			out = append(out, p.table())
		} else {
			p.next()
		}
	}
}

// xa reads the second word and keeps the rest, which the server always writes as X'…',X'…',n, as the id.
func (p *statementParser) xa() statement {
	verb := strings.ToUpper(p.next().text)
	id := strings.Join(strings.Fields(p.s), " ")
	switch verb {
	case "START", "BEGIN":
		return statement{kind: stmtXAStart, name: id}
	case "END":
		return statement{kind: stmtXAEnd, name: id}
	case "COMMIT":
		return statement{kind: stmtXACommit, name: id}
	case "ROLLBACK":
		return statement{kind: stmtXARollback, name: id}
	}
	return statement{}
}

func (p *statementParser) dml(verb token) statement {
	st := statement{kind: stmtDML}
	switch strings.ToUpper(verb.text) {
	case "INSERT", "REPLACE":
		p.skip("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE")
		p.accept("INTO")
		st.tables = []tableName{p.table()}
	case "UPDATE":
		st.tables = p.tablesUntil("SET")
	case "DELETE":
		st.tables = p.tablesUntil("WHERE", "ORDER", "LIMIT")
	case "LOAD":
		for t := p.next(); t.kind != tokenEnd; t = p.next() {
			if t.is("INTO") && p.accept("TABLE") {
				st.tables = []tableName{p.table()}
				return st
			}
		}
		st.anything = true
	case "WITH":
		for t := p.next(); t.kind != tokenEnd; t = p.next() {
			if p.depth == 0 && (t.is("UPDATE") || t.is("DELETE")) {
				return p.dml(t)
			}
		}
		st.anything = true
	default:
		// A function or procedure that changes rows, or an import.
		st.anything = true
	}
	return st
}

// inner reads what MariaDB's SET STATEMENT … FOR is about.
func (p *statementParser) inner(mode uint64) statement {
	for t := p.next(); t.kind != tokenEnd; t = p.next() {
		if p.depth == 0 && t.is("FOR") {
			return classify(p.rest(), p.database, mode)
		}
	}
	return statement{}
}
