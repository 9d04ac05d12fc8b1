package schema

// alterTable takes what follows ALTER TABLE. Each clause writes one clause.
func (r *reader) alterTable() {
	r.out.ifExists = r.accept("IF", "EXISTS")
	r.emit("ALTER TABLE ")
	r.table()
	r.wait()
	r.emit(" FORCE") // so that there always is a clause
	for r.err == nil && !r.done() {
		r.acceptPunct(',')
		before := len(r.b)
		r.emit(", ")
		if !r.clause() {
			r.b = r.b[:before]
		}
	}
}

// clause takes one clause and reports whether there is something to write.
func (r *reader) clause() bool {
	switch {
	case r.accept("ADD"):
		return r.addClause()
	case r.accept("DROP"):
		return r.dropClause()
	case r.accept("MODIFY"):
		r.accept("COLUMN")
		missing := r.accept("IF", "EXISTS")
		r.emit("MODIFY COLUMN ")
		r.column().ifExists = missing
		r.position()
	case r.accept("CHANGE"):
		r.accept("COLUMN")
		missing := r.accept("IF", "EXISTS")
		r.emit("CHANGE COLUMN ", quoteName(r.identifier()), " ")
		r.column().ifExists = missing
		r.position()
	case r.accept("ALTER"):
		return r.alterClause()
	case r.accept("RENAME"):
		r.renameClause()
	case r.accept("CONVERT", "TO"):
		o := tableOptions{convert: true}
		if !r.accept("CHARACTER", "SET") && !r.accept("CHARSET") && !r.accept("CHAR", "SET") {
			r.fail("CHARACTER SET")
		}
		o.charset = r.charsetName()
		if r.accept("COLLATE") {
			r.acceptPunct('=')
			o.collation = r.charsetName()
		}
		r.optionMark(o)
	default:
		return r.neutralClause()
	}
	return true
}

func (r *reader) optionMark(o tableOptions) {
	r.emit(mark(len(r.out.options)))
	r.out.options = append(r.out.options, o)
}

func (r *reader) addClause() bool {
	switch {
	case r.peek().is("PARTITION"):
		return r.partitionClause()
	case r.accept("SYSTEM", "VERSIONING"):
		r.optionMark(tableOptions{versioned: true})
		return true
	case r.peek().is("PERIOD") && (r.at(1).is("FOR") || r.at(1).is("IF")):
		r.period()
		return false
	case r.startsKey():
		r.emit("ADD ")
		return r.key()
	}
	r.accept("COLUMN")
	exists := r.accept("IF", "NOT", "EXISTS")
	if !r.peek().punct('(') {
		r.emit("ADD COLUMN ")
		r.column().ifNotExists = exists
		r.position()
		return true
	}
	r.emit("ADD COLUMN")
	from := len(r.out.definitions)
	r.elements()
	for i := from; i < len(r.out.definitions); i++ {
		r.out.definitions[i].ifNotExists = exists
	}
	return true
}

// position takes FIRST or AFTER.
func (r *reader) position() {
	switch {
	case r.accept("FIRST"):
		r.emit(" FIRST")
	case r.accept("AFTER"):
		r.emit(" AFTER ", quoteName(r.identifier()))
	}
}

func (r *reader) dropClause() bool {
	exists := func() string {
		if r.accept("IF", "EXISTS") {
			return "IF EXISTS "
		}
		return ""
	}
	switch {
	case r.accept("PRIMARY", "KEY"):
		r.emit("DROP PRIMARY KEY")
	case r.acceptOne("INDEX", "KEY"):
		r.emit("DROP INDEX ", exists(), quoteName(r.identifier()))
	case r.accept("CONSTRAINT"): // may be a unique index, and then goes with it; whatever else it is does not matter
		exists()
		r.emit("DROP INDEX IF EXISTS ", quoteName(r.identifier()))
	case r.accept("FOREIGN", "KEY"), r.accept("CHECK"):
		exists()
		r.identifier()
		return false
	case r.peek().is("PERIOD") && (r.at(1).is("FOR") || r.at(1).is("IF")):
		r.pos++
		exists()
		r.expect("FOR")
		r.out.noPeriod = !r.peek().is("SYSTEM_TIME")
		r.identifier()
		return false
	case r.peek().is("PARTITION"):
		return r.partitionClause()
	case r.accept("SYSTEM", "VERSIONING"):
		r.optionMark(tableOptions{plain: true})
	default:
		r.accept("COLUMN")
		r.emit("DROP COLUMN ", exists(), quoteName(r.identifier()))
		r.acceptOne("RESTRICT", "CASCADE")
	}
	return true
}

// alterClause takes ALTER [COLUMN] name …, ALTER INDEX and ALTER CHECK. Only the visibility of a column matters.
func (r *reader) alterClause() bool {
	if r.acceptOne("INDEX", "KEY") {
		r.accept("IF", "EXISTS")
		r.identifier()
		if !r.acceptOne("VISIBLE", "INVISIBLE", "IGNORED") && !r.accept("NOT", "IGNORED") {
			r.fail("VISIBLE or INVISIBLE")
		}
		return false
	}
	if r.acceptOne("CHECK", "CONSTRAINT") {
		r.identifier()
		if !r.accept("NOT", "ENFORCED") {
			r.expect("ENFORCED")
		}
		return false
	}
	r.accept("COLUMN")
	r.accept("IF", "EXISTS")
	name := r.identifier()
	switch {
	case r.accept("DROP", "DEFAULT"):
		return false
	case r.accept("SET", "DEFAULT"):
		r.defaultValue()
		return false
	case r.accept("SET", "INVISIBLE"):
		r.visibility(name, true)
	case r.accept("SET", "VISIBLE"):
		r.visibility(name, false)
	default:
		r.fail("SET or DROP")
	}
	return true
}

// visibility writes a clause that the parser knows, with the definition's number as the value.
func (r *reader) visibility(name string, invisible bool) {
	r.emit("ALTER COLUMN ", quoteName(name), " DROP DEFAULT")
	r.out.visibility = append(r.out.visibility, invisible)
}

func (r *reader) renameClause() {
	switch {
	case r.accept("COLUMN"):
		if r.accept("IF", "EXISTS") {
			r.out.ifExists = true
		}
		r.emit("RENAME COLUMN ", quoteName(r.identifier()), " TO ")
		r.expect("TO")
		r.emit(quoteName(r.identifier()))
	case (r.peek().is("INDEX") || r.peek().is("KEY")) && r.at(1).kind != end && !r.at(1).punct(',') && !r.at(1).punct('.'):
		r.pos++
		if r.accept("IF", "EXISTS") {
			r.out.ifExists = true
		}
		r.emit("RENAME INDEX ", quoteName(r.identifier()), " TO ")
		r.expect("TO")
		r.emit(quoteName(r.identifier()))
	default:
		if !r.acceptOne("TO", "AS") {
			r.acceptPunct('=')
		}
		r.emit("RENAME TO ")
		r.table()
	}
}

var partitionVerbs = set("coalesce", "reorganize", "exchange", "truncate", "optimize", "repair", "import", "discard", "rebuild", "analyze", "check",
	"first", "last", "convert", "remove", "partition", "secondary_load", "secondary_unload", "add", "drop")

// neutralClause takes what leaves columns and indexes as they are, and the options of the table.
func (r *reader) neutralClause() bool {
	switch {
	case r.acceptOne("FORCE"), r.accept("ENABLE", "KEYS"), r.accept("DISABLE", "KEYS"), r.accept("WITH", "VALIDATION"), r.accept("WITHOUT", "VALIDATION"):
	case r.peek().is("IMPORT") && r.at(1).is("TABLESPACE"), r.peek().is("DISCARD") && r.at(1).is("TABLESPACE"):
		r.pos += 2
	case r.accept("ORDER", "BY"):
		r.order()
	case r.peek().in(partitionVerbs):
		return r.partitionClause()
	default:
		var o tableOptions
		if !r.option(&o) {
			r.fail("a clause")
		}
		r.optionMark(o)
		return true
	}
	return false
}

func (r *reader) order() {
	for {
		r.identifier()
		for r.acceptPunct('.') {
			r.identifier()
		}
		r.acceptOne("ASC", "DESC")
		if !r.at(1).name() || !r.acceptPunct(',') {
			return
		}
	}
}

// partitionClause skips a clause about partitions, which is the last of its statement. Of those that move rows between tables
// one makes a table of a partition, and one makes a partition of a table.
func (r *reader) partitionClause() bool {
	switch {
	case r.accept("CONVERT", "PARTITION"):
		r.identifier()
		r.expect("TO", "TABLE")
		n := r.tableName()
		r.out.parted = &n
	case r.accept("CONVERT", "TABLE"):
		n := r.tableName()
		r.out.joined = &n
	}
	for r.err == nil && !r.done() {
		if r.peek().punct('(') {
			r.group()
			continue
		}
		r.next()
	}
	return false
}
