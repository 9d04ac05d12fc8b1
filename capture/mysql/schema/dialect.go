package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// rewriting is a statement in the words of the parser, which reads the skeleton of statements: which table, which columns and
// indexes, in which order. What dialects and releases differ in, and what the parser does not keep, is read here and stands
// aside; in the text for the parser a comment with its number stands for it.
//
//	ALTER TABLE t ADD IF NOT EXISTS u UUID INVISIBLE AFTER a, PAGE_COMPRESSED=1
//	ALTER TABLE `t` ADD COLUMN `u` INT COMMENT '0' AFTER `a`, COMMENT '0'
type rewriting struct {
	sql         string
	definitions []definition
	keys        []keyDetail
	options     []tableOptions
	visibility  []bool // of ALTER COLUMN … SET INVISIBLE, one after the other
	ifExists    bool
	ifNotExists bool
	orReplace   bool
	period      *Period
	noPeriod    bool       // DROP PERIOD
	parted      *[2]string // the table that CONVERT PARTITION makes
	joined      *[2]string // the table that CONVERT TABLE removes
	selects     bool       // CREATE … SELECT: the columns come from elsewhere
}

// keyDetail is what an index's definition says beyond the parser.
type keyDetail struct {
	place       int  // among all columns and indexes of the statement
	hash        bool // USING HASH
	overlaps    bool // WITHOUT OVERLAPS: the last part is a period
	ifNotExists bool
	foreign     bool   // the index that a foreign key needs
	symbol      string // CONSTRAINT symbol
}

// reader goes over the tokens of a statement and rewrites it. The first error ends it: from then on all tokens are the end.
type reader struct {
	server *Server
	mode   uint64
	tokens []token
	pos    int
	b      []byte // the statement for the parser
	out    rewriting
	err    error
}

func (r *reader) peek() token { return r.at(0) }

func (r *reader) at(n int) token {
	if r.err != nil || r.pos+n >= len(r.tokens) {
		return token{}
	}
	return r.tokens[r.pos+n]
}

func (r *reader) next() token {
	t := r.peek()
	if t.kind != end {
		r.pos++
	}
	return t
}

// fail says that the next token is not what the statement must have here.
func (r *reader) fail(want string) {
	if r.err == nil {
		r.err = fmt.Errorf("reading a statement: %s where %s is expected", r.peek(), want)
	}
}

// accept takes the words when they come next, in this order.
func (r *reader) accept(words ...string) bool {
	for i, w := range words {
		if !r.at(i).is(w) {
			return false
		}
	}
	r.pos += len(words)
	return true
}

// acceptOne takes the next token when it is any of the words.
func (r *reader) acceptOne(words ...string) bool {
	for _, w := range words {
		if r.accept(w) {
			return true
		}
	}
	return false
}

func (r *reader) acceptPunct(c byte) bool {
	if r.peek().punct(c) {
		r.pos++
		return true
	}
	return false
}

func (r *reader) expect(words ...string) {
	if !r.accept(words...) {
		r.fail(strings.Join(words, " "))
	}
}

func (r *reader) expectPunct(c byte) {
	if !r.acceptPunct(c) {
		r.fail(string(c))
	}
}

// done reports the end of the statement.
func (r *reader) done() bool {
	for r.peek().punct(';') {
		r.pos++
	}
	return r.peek().kind == end
}

func (r *reader) identifier() string {
	t := r.peek()
	if !t.name() || t.text == "" {
		r.fail("a name")
		return ""
	}
	r.pos++
	return t.text
}

// text takes a string literal; literals side by side are one.
func (r *reader) text() string {
	if r.peek().kind != text {
		r.fail("a text")
		return ""
	}
	var b strings.Builder
	for r.peek().kind == text {
		b.WriteString(r.next().text)
	}
	return b.String()
}

// number takes a whole number.
func (r *reader) number() int {
	n, err := strconv.Atoi(r.peek().text)
	if r.peek().kind != word || err != nil || n < 0 {
		r.fail("a number")
		return 0
	}
	r.pos++
	return n
}

// group skips what stands in parentheses, with them.
func (r *reader) group() {
	r.expectPunct('(')
	for depth := 1; depth > 0 && r.err == nil; {
		switch t := r.next(); {
		case t.kind == end:
			r.fail(")")
		case t.punct('('):
			depth++
		case t.punct(')'):
			depth--
		}
	}
}

// emit writes to the statement for the parser.
func (r *reader) emit(parts ...string) {
	for _, p := range parts {
		r.b = append(r.b, p...)
	}
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// number writes the place of something that stands aside.
func mark(n int) string { return " COMMENT '" + strconv.Itoa(n) + "'" }

// table takes the name of a table and writes it.
func (r *reader) table() {
	n := r.tableName()
	if n[0] != "" {
		r.emit(quoteName(n[0]), ".")
	}
	r.emit(quoteName(n[1]))
}

// tableName takes the name of a table, with its database or "".
func (r *reader) tableName() (n [2]string) {
	n[1] = r.identifier()
	if r.acceptPunct('.') {
		n[0], n[1] = n[1], r.identifier()
	}
	return n
}

// wait skips MariaDB's lock timeout.
func (r *reader) wait() {
	if r.accept("WAIT") {
		r.number()
	} else {
		r.accept("NOWAIT")
	}
}

var neutral = set("view", "trigger", "procedure", "function", "event", "user", "role", "server", "tablespace", "logfile", "sequence",
	"resource", "spatial", "undo", "library", "package", "algorithm", "definer", "sql", "aggregate", "instance", "prepare", "json", "profile")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// rewrite reads a statement. A nil rewriting is a statement that makes, changes and removes no table and no database.
func rewrite(sql string, s Session, server *Server) (*rewriting, error) {
	tokens, err := scan(sql, s.SQLMode, server)
	if err != nil {
		return nil, err
	}
	r := &reader{server: server, mode: s.SQLMode, tokens: tokens}
	r.settings()
	if !r.statement() && r.err == nil {
		return nil, nil
	}
	if r.err == nil && !r.done() {
		r.fail("the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	r.out.sql = string(r.b)
	return &r.out, nil
}

// settings skips MariaDB's SET STATEMENT name=value, … FOR, unless it changes how what follows is read.
func (r *reader) settings() {
	if !r.accept("SET", "STATEMENT") {
		return
	}
	for !r.accept("FOR") && r.err == nil {
		t := r.next()
		switch name := strings.ToLower(t.text); {
		case t.kind == end:
			r.fail("FOR")
		case strings.HasPrefix(name, "character_set"), strings.HasPrefix(name, "collation"), name == "sql_mode", name == "old_mode",
			name == "explicit_defaults_for_timestamp":
			r.err = fmt.Errorf("reading a statement: it is to be read with another %s", name)
		}
	}
}

// statement reports whether the statement is about tables or databases.
func (r *reader) statement() bool {
	switch {
	case r.accept("CREATE"):
		return r.create()
	case r.accept("ALTER"):
		return r.alter()
	case r.accept("DROP"):
		return r.drop()
	case r.accept("RENAME"):
		return r.rename()
	}
	return false // TRUNCATE too leaves tables as they are
}

func (r *reader) create() bool {
	r.out.orReplace = r.accept("OR", "REPLACE")
	temporary := r.accept("TEMPORARY")
	switch {
	case r.acceptOne("TABLE"):
		if temporary {
			return r.ignore()
		}
		r.createTable()
	case r.acceptOne("DATABASE", "SCHEMA"):
		r.emit("CREATE DATABASE ")
		r.database()
	case r.peek().in(neutral) && !r.at(1).is("INDEX") && (!r.peek().is("SPATIAL") || !r.at(1).is("KEY")), temporary && r.peek().is("SEQUENCE"):
		return r.ignore()
	default:
		r.createIndex()
	}
	return true
}

// ignore reports a statement of which nothing matters.
func (r *reader) ignore() bool {
	r.pos = len(r.tokens)
	return false
}

func (r *reader) alter() bool {
	r.accept("ONLINE")
	r.accept("IGNORE")
	switch {
	case r.accept("TABLE"):
		r.alterTable()
	case r.acceptOne("DATABASE", "SCHEMA"):
		r.emit("ALTER DATABASE ")
		r.database()
	case r.peek().in(neutral):
		return r.ignore()
	default:
		r.fail("TABLE or DATABASE")
	}
	return true
}

func (r *reader) drop() bool {
	temporary := r.accept("TEMPORARY")
	switch {
	case r.acceptOne("TABLE", "TABLES"):
		if temporary {
			return r.ignore()
		}
		r.dropTables()
	case r.acceptOne("DATABASE", "SCHEMA"):
		r.emit("DROP DATABASE ", quoteName(r.dropName()))
	case r.acceptOne("INDEX"), r.accept("ONLINE", "INDEX"), r.accept("OFFLINE", "INDEX"):
		r.dropIndex()
	case r.peek().in(neutral):
		return r.ignore()
	default:
		r.fail("TABLE, DATABASE or INDEX")
	}
	return true
}

func (r *reader) dropName() string {
	r.out.ifExists = r.accept("IF", "EXISTS")
	return r.identifier()
}

func (r *reader) dropTables() {
	r.out.ifExists = r.accept("IF", "EXISTS")
	r.emit("DROP TABLE ")
	for {
		r.table()
		if !r.acceptPunct(',') {
			break
		}
		r.emit(", ")
	}
	r.wait()
	r.acceptOne("RESTRICT", "CASCADE")
}

func (r *reader) rename() bool {
	if !r.acceptOne("TABLE", "TABLES") {
		if r.peek().in(neutral) {
			return r.ignore()
		}
		r.fail("TABLE")
		return true
	}
	r.out.ifExists = r.accept("IF", "EXISTS")
	r.emit("RENAME TABLE ")
	for {
		r.table()
		r.wait()
		r.expect("TO")
		r.emit(" TO ")
		r.table()
		if !r.acceptPunct(',') {
			return true
		}
		r.emit(", ")
	}
}

// What no server has more of in a table. A statement with more is none that was run.
const (
	mostColumns = 4096
	mostKeys    = 256
)

// place numbers columns and indexes as they come.
func (r *reader) place() int {
	if r.err == nil && (len(r.out.definitions) > mostColumns || len(r.out.keys) > mostKeys) {
		r.err = errors.New("reading a statement: it has more columns or indexes than a table can have")
	}
	return len(r.out.definitions) + len(r.out.keys)
}
