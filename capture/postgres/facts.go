package postgres

// tableFacts is what the catalogue says about one table now. The log decides how rows are decoded; the facts name what it
// lacks: the order of the key, nullability, the parts of a partitioned table.
type tableFacts struct {
	oid      uint32
	schema   string
	name     string
	kind     byte   // pg_class.relkind: 'r' table, 'p' partitioned table
	identity byte   // pg_class.relreplident: 'd' default, 'n' nothing, 'f' full, 'i' index
	root     string // "schema.name" of the topmost partitioned table that it is a part of, "" when it is none
	columns  []columnFacts
	key      []string // the primary key in its declared order, else the first unique index over NOT NULL columns; empty: none
	identify []string // the columns that the replica identity logs of an old row; empty for 'n', all for 'f'
}

// columnFacts is one live column in the order of its number.
type columnFacts struct {
	name      string
	typ       uint32 // pg_type oid
	modifier  int32  // pg_attribute.atttypmod, -1: none
	notNull   bool
	generated bool // stored or virtual
	published bool // the publication's columns have it
}
