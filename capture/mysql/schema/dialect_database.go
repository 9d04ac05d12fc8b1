package schema

// database takes the name of a database and its options. ALTER DATABASE of the current one has no name.
func (r *reader) database() {
	r.out.ifNotExists = r.accept("IF", "NOT", "EXISTS")
	if t := r.peek(); t.kind == quoted || t.kind == word && !r.databaseOption() {
		r.emit(quoteName(r.identifier()))
	}
	if r.accept("UPGRADE", "DATA", "DIRECTORY", "NAME") {
		r.fail("an option")
	}
	var o tableOptions
	for !r.done() && r.err == nil {
		r.accept("DEFAULT")
		switch {
		case r.charsetOption(&o):
		case r.acceptOne("ENCRYPTION", "COMMENT"), r.accept("READ", "ONLY"):
			r.acceptPunct('=')
			r.next()
		default:
			r.fail("an option of a database")
		}
	}
	r.out.options = append(r.out.options, o)
	r.emit(" CHARACTER SET utf8mb4")
}

// databaseOption tells an option from a name that is not quoted.
func (r *reader) databaseOption() bool {
	return r.peek().is("DEFAULT") || r.peek().is("CHARACTER") && r.at(1).is("SET") || r.peek().is("COLLATE") ||
		r.peek().is("READ") && r.at(1).is("ONLY") ||
		(r.peek().is("CHARSET") || r.peek().is("ENCRYPTION") || r.peek().is("COMMENT")) && !r.at(1).is("CHARACTER") && !r.at(1).is("COLLATE") && !r.at(1).is("DEFAULT") && r.at(1).kind != end
}
