package schema

import "strings"

// definition is a column as a statement defines it.
type definition struct {
	place       int // among all columns and indexes of the statement
	name        string
	typ         dataType
	charset     charsetChoice
	null        nullness
	primary     bool
	unique      bool
	generated   bool
	virtual     bool
	invisible   bool
	compressed  bool
	references  bool
	versioned   bool // WITH SYSTEM VERSIONING
	period      bool // begin or end of the period of a system-versioned table
	increments  bool // AUTO_INCREMENT
	ifExists    bool // of MODIFY and CHANGE
	ifNotExists bool // of ADD
}

// nullness is whether a definition says NULL, NOT NULL or neither.
type nullness uint8

const (
	unsaid nullness = iota
	nullable
	notNull
)

// charsetChoice is what a definition says about the character set.
type charsetChoice struct {
	charset   string // CHARACTER SET, or what ASCII, UNICODE, BYTE and NATIONAL stand for
	collation string // COLLATE
	binary    bool   // BINARY: the binary collation of the character set
}

// column takes the definition of a column and writes a column of any type in its place.
func (r *reader) column() *definition {
	d := definition{place: r.place(), name: r.identifier()}
	for r.acceptPunct('.') {
		d.name = r.identifier()
	}
	r.emit(quoteName(d.name))
	r.columnType(&d)
	for more := true; more && r.err == nil; {
		more = r.attribute(&d)
	}
	r.emit(" INT", mark(len(r.out.definitions)))
	r.out.definitions = append(r.out.definitions, d)
	return &r.out.definitions[len(r.out.definitions)-1]
}

// attribute takes one attribute of a column, if one comes.
func (r *reader) attribute(d *definition) bool {
	switch {
	case r.accept("NOT", "NULL"):
		d.null = notNull
	case r.accept("NULL"):
		d.null = nullable
	case r.accept("AUTO_INCREMENT"):
		d.increments = true
	case r.accept("PRIMARY", "KEY"), r.accept("PRIMARY"), r.accept("KEY"):
		d.primary = true
	case r.accept("UNIQUE"):
		r.accept("KEY")
		d.unique = true
	case r.accept("SERIAL", "DEFAULT", "VALUE"):
		d.null, d.increments, d.unique = notNull, true, true
	case r.accept("REFERENCES"):
		r.references()
		d.references = true
	case r.accept("WITH", "SYSTEM", "VERSIONING"):
		d.versioned = true
	case r.accept("INVISIBLE"):
		d.invisible = true
	case r.accept("VISIBLE"):
		d.invisible = false
	case r.charsetAttribute(&d.charset):
	case r.generated(d):
	case r.server.MariaDB && r.accept("COMPRESSED"):
		d.compressed = true
		if r.acceptPunct('=') {
			r.identifier()
		}
	default:
		return r.minorAttribute()
	}
	return true
}

// charsetAttribute takes what says something of the character set.
func (r *reader) charsetAttribute(c *charsetChoice) bool {
	switch {
	case r.accept("CHARACTER", "SET"), r.accept("CHARSET"), r.accept("CHAR", "SET"):
		c.charset = r.charsetName()
	case r.accept("COLLATE"):
		c.collation = r.charsetName()
	case r.accept("BINARY"):
		c.binary = true
	case r.accept("ASCII"):
		c.charset = "latin1"
	case r.accept("UNICODE"):
		c.charset = "ucs2"
	case r.accept("BYTE"):
		c.charset = "binary"
	default:
		return false
	}
	return true
}

// charsetName takes the name of a character set or a collation, which may be a text.
func (r *reader) charsetName() string {
	if r.peek().kind == text {
		return strings.ToLower(r.text())
	}
	return strings.ToLower(r.identifier())
}

func (r *reader) generated(d *definition) bool {
	if !r.accept("GENERATED", "ALWAYS", "AS") && !r.accept("AS") {
		return false
	}
	if r.accept("ROW") { // the period of a system-versioned table
		if !r.acceptOne("START", "END") {
			r.fail("START or END")
		}
		d.generated, d.null, d.period = true, notNull, true
		return true
	}
	r.group()
	d.generated, d.virtual = true, true
	if r.acceptOne("STORED", "PERSISTENT") {
		d.virtual = false
	} else {
		r.accept("VIRTUAL")
	}
	return true
}

// minorAttribute takes an attribute that changes nothing of what rows look like.
func (r *reader) minorAttribute() bool {
	switch {
	case r.accept("DEFAULT"):
		r.defaultValue()
	case r.accept("ON", "UPDATE"):
		r.defaultValue()
	case r.accept("COMMENT"):
		r.text()
	case r.acceptOne("COLUMN_FORMAT", "STORAGE"):
		r.identifier()
	case r.acceptOne("ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"):
		r.acceptPunct('=')
		r.text()
	case r.acceptOne("SRID", "REF_SYSTEM_ID"):
		r.acceptPunct('=')
		r.number()
	case r.accept("NOT", "SECONDARY"), r.accept("WITHOUT", "SYSTEM", "VERSIONING"):
	case r.peek().is("CONSTRAINT") || r.peek().is("CHECK"):
		return r.check()
	case r.peek().name() && r.at(1).punct('='): // an attribute of the engine
		r.pos += 2
		if t := r.next(); t.kind == punct || t.kind == end {
			r.fail("a value")
		}
	default:
		return false
	}
	return true
}

// check takes [CONSTRAINT [name]] CHECK (…) [[NOT] ENFORCED].
func (r *reader) check() bool {
	if r.accept("CONSTRAINT") && !r.peek().is("CHECK") {
		r.identifier()
	}
	if !r.accept("CHECK") {
		r.fail("CHECK")
	}
	r.group()
	if !r.accept("NOT", "ENFORCED") {
		r.accept("ENFORCED")
	}
	return true
}

// defaultValue skips the value of DEFAULT and of ON UPDATE: a literal, a function or an expression in parentheses.
func (r *reader) defaultValue() {
	for signed := true; signed; {
		signed = r.acceptPunct('-') || r.acceptPunct('+')
	}
	if r.peek().punct('(') {
		r.group()
		return
	}
	if r.accept("NEXT", "VALUE", "FOR") {
		r.identifier()
		for r.acceptPunct('.') {
			r.identifier()
		}
		return
	}
	t := r.next()
	switch t.kind {
	case end, punct:
		if !t.punct('.') {
			r.fail("a value")
		}
		r.next()
	case word:
		if r.peek().kind == text && (r.peek().glued || t.is("DATE") || t.is("TIME") || t.is("TIMESTAMP") || strings.HasPrefix(t.text, "_")) {
			r.text()
		} else if strings.HasPrefix(t.text, "_") && r.peek().kind == word { // _latin1 0x41
			r.next()
		}
	case text:
		for r.peek().kind == text {
			r.next()
		}
	}
	r.defaultTail()
}

// defaultTail skips what makes a word a fraction, an exponent, a qualified name or the call of a function.
func (r *reader) defaultTail() {
	for r.acceptPunct('.') {
		if r.peek().name() {
			r.next()
		}
	}
	if r.peek().glued && (r.acceptPunct('-') || r.acceptPunct('+')) { // 1e-5
		r.next()
	}
	if r.peek().punct('(') {
		r.group()
	}
}

// references skips what follows REFERENCES.
func (r *reader) references() {
	r.identifier()
	if r.acceptPunct('.') {
		r.identifier()
	}
	if r.peek().punct('(') {
		r.group()
	}
	for r.err == nil {
		switch {
		case r.accept("MATCH"):
			r.identifier()
		case r.accept("ON", "DELETE"), r.accept("ON", "UPDATE"):
			if !r.acceptOne("RESTRICT", "CASCADE") && !r.accept("SET", "NULL") && !r.accept("NO", "ACTION") && !r.accept("SET", "DEFAULT") {
				r.fail("an action")
			}
		default:
			return
		}
	}
}
