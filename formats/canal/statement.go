package canal

import "strings"

// Types of messages that describe a statement and no row.
const (
	typeCreate   = "CREATE"
	typeAlter    = "ALTER"
	typeErase    = "ERASE"
	typeTruncate = "TRUNCATE"
	typeRename   = "RENAME"
	typeIndex    = "CINDEX"
	typeNoIndex  = "DINDEX"
	typeQuery    = "QUERY"
)

// statement is what Canal tells of one: its type and the table that it is about. Of several tables that is the first one, and
// of a renamed one the new name.
type statement struct {
	kind     string
	database string // "" when the statement does not name one
	table    string // "" when it is about no table
	from     string // the table's name before RENAME
}

// describe finds out what Canal would say of a statement. What it does not understand is a QUERY, as it is for Canal.
func describe(sql string) statement {
	w := words{rest: sql}
	switch verb := w.keyword(); verb {
	case "CREATE":
		return w.create()
	case "ALTER":
		w.skip("ONLINE", "OFFLINE", "IGNORE")
		if w.keyword() != "TABLE" {
			return statement{kind: typeQuery}
		}
		return w.alter()
	case "DROP":
		w.skip("TEMPORARY", "ONLINE", "OFFLINE")
		return w.drop()
	case "TRUNCATE":
		w.skip("TABLE")
		return w.name(typeTruncate)
	case "RENAME":
		if w.keyword(); w.last != "TABLE" && w.last != "TABLES" {
			return statement{kind: typeQuery}
		}
		w.skip("IF", "EXISTS")
		return w.renamed(w.name(typeRename))
	}
	return statement{kind: typeQuery}
}

// create reads what is behind CREATE.
func (w *words) create() statement {
	w.skip("OR", "REPLACE", "TEMPORARY", "ONLINE", "OFFLINE", "UNIQUE", "FULLTEXT", "SPATIAL")
	switch w.keyword() {
	case "TABLE":
		w.skip("IF", "NOT", "EXISTS")
		return w.name(typeCreate)
	case "INDEX":
		return w.index(typeIndex)
	case "DATABASE", "SCHEMA":
		w.skip("IF", "NOT", "EXISTS")
		return statement{kind: typeQuery, database: w.next()}
	}
	return statement{kind: typeQuery}
}

// drop reads what is behind DROP.
func (w *words) drop() statement {
	switch w.keyword() {
	case "TABLE", "TABLES":
		w.skip("IF", "EXISTS")
		return w.name(typeErase)
	case "INDEX":
		return w.index(typeNoIndex)
	case "DATABASE", "SCHEMA":
		w.skip("IF", "EXISTS")
		return statement{kind: typeQuery, database: w.next()}
	}
	return statement{kind: typeQuery}
}

// index reads "name … ON table".
func (w *words) index(kind string) statement {
	for t := w.next(); t != "" || w.rest != ""; t = w.next() {
		if !w.quoted && strings.EqualFold(t, "ON") {
			return w.name(kind)
		}
	}
	return statement{kind: kind}
}

// alter reads "table clause, clause"; the first clause gives the type.
func (w *words) alter() statement {
	w.skip("IF", "EXISTS")
	st := w.name(typeAlter)
	switch verb := w.keyword(); verb {
	case "WAIT", "NOWAIT": // MariaDB
		if verb == "WAIT" {
			w.next()
		}
		w.keyword()
	}
	switch w.last {
	case "RENAME":
		switch w.keyword() {
		case "INDEX", "KEY", "COLUMN":
		case "TO", "AS", "=":
			return w.renamed(st.to(w.name(typeRename)))
		default:
			to := statement{kind: typeRename, table: w.text}
			return w.renamed(st.to(w.qualified(to)))
		}
	case "ADD":
		if w.addsIndex() {
			st.kind = typeIndex
		}
	case "DROP":
		if w.keyword(); w.last == "INDEX" || w.last == "KEY" {
			st.kind = typeNoIndex
		}
	}
	return st
}

// addsIndex reports whether what is behind ADD is an index.
func (w *words) addsIndex() bool {
	if w.keyword() == "CONSTRAINT" {
		if w.keyword(); w.last != "UNIQUE" && w.last != "PRIMARY" && w.last != "FOREIGN" && w.last != "CHECK" {
			w.keyword() // its name
		}
	}
	switch w.last {
	case "INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY":
		return true
	}
	return false
}

// to gives the statement that renames st to another name.
func (st statement) to(renamed statement) statement {
	renamed.from = st.table
	if renamed.database == "" {
		renamed.database = st.database
	}
	return renamed
}

// renamed reads "TO name" where the old name has been read, and leaves alone what is renamed already.
func (w *words) renamed(st statement) statement {
	if st.from != "" || w.keyword() != "TO" {
		return st
	}
	return st.to(w.name(typeRename))
}

// name reads a name, with its database or without.
func (w *words) name(kind string) statement {
	return w.qualified(statement{kind: kind, table: w.next()})
}

// qualified reads ".name" if it comes, before which the database has been read.
func (w *words) qualified(st statement) statement {
	mark := *w
	if w.next() == "." && !w.quoted {
		st.database, st.table = st.table, w.next()
		return st
	}
	*w = mark
	return st
}

// words cuts a statement into words, quoted names and single characters. It passes over comments, but not over the content of
// executable ones. It never fails: an unclosed quote ends with the text.
type words struct {
	rest   string
	text   string // the last word, without its quotes
	last   string // the same in upper case, "" when it was quoted
	quoted bool
}

// keyword takes a word and gives it in upper case.
func (w *words) keyword() string {
	w.next()
	return w.last
}

// skip takes words as long as they are any of the given ones.
func (w *words) skip(these ...string) {
	for {
		mark, found := *w, false
		w.keyword()
		for _, word := range these {
			found = found || w.last == word
		}
		if !found {
			*w = mark
			return
		}
	}
}

func (w *words) next() string {
	w.space()
	w.text, w.last, w.quoted = "", "", false
	if w.rest == "" {
		return ""
	}
	if c := w.rest[0]; c == '`' || c == '"' || c == '\'' {
		w.quote(c)
		return w.text
	}
	n := 0
	for n < len(w.rest) && wordByte(w.rest[n]) {
		n++
	}
	n = max(n, 1)
	w.text, w.rest = w.rest[:n], w.rest[n:]
	w.last = strings.ToUpper(w.text)
	return w.text
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// quote reads a quoted name or text, in which a doubled quote stands for one.
func (w *words) quote(c byte) {
	w.quoted = true
	var text strings.Builder
	i := 1
	for ; i < len(w.rest); i++ {
		if w.rest[i] == c {
			if i+1 == len(w.rest) || w.rest[i+1] != c {
				break
			}
			i++
		}
		text.WriteByte(w.rest[i])
	}
	w.text, w.rest = text.String(), w.rest[min(i+1, len(w.rest)):]
}

func (w *words) space() {
	for {
		w.rest = strings.TrimLeft(w.rest, " \t\r\n\f\v\x00")
		switch {
		case strings.HasPrefix(w.rest, "/*!"), strings.HasPrefix(w.rest, "/*M!"):
			w.rest = strings.TrimLeft(w.rest[strings.IndexByte(w.rest, '!')+1:], "0123456789")
		case strings.HasPrefix(w.rest, "/*"):
			_, w.rest, _ = strings.Cut(w.rest[2:], "*/")
		case strings.HasPrefix(w.rest, "*/"):
			w.rest = w.rest[2:]
		case strings.HasPrefix(w.rest, "#"), strings.HasPrefix(w.rest, "-- "):
			_, w.rest, _ = strings.Cut(w.rest, "\n")
		default:
			return
		}
	}
}
