package postgres

import (
	"slices"

	"cdcbridge/capture"
)

// tableFacts is what the catalogue says about one table now. The log decides how rows are decoded; the facts name what it
// lacks: the order of the key, nullability, the parts of a partitioned table.
type tableFacts struct {
	oid       uint32
	parent    uint32 // of a partition: the table that it is a direct part of
	schema    string
	name      string
	kind      byte          // pg_class.relkind: 'r' table, 'p' partitioned table, 'f' foreign table
	storage   byte          // pg_class.relpersistence: 'p' logged, 'u' unlogged
	identity  byte          // pg_class.relreplident: 'd' default, 'n' nothing, 'f' full, 'i' index
	root      string        // "schema.name" of the topmost partitioned table that it is a part of, "" when it is none
	ancestors []*tableFacts // all partitioned tables above it, nearest first; their columns are not filled
	columns   []columnFacts
	key       []string // the primary key in its declared order, else the first unique index over NOT NULL columns; empty: none. Of a table that logs another index's columns: these
	identify  []string // the columns that the replica identity logs of an old row; empty for 'n', all for 'f'. Of a partitioned table: what all its parts log
	declared  byte     // relreplident of itself, whatever its parts have
	declares  []string // what that logs of an old row
	published bool     // the publication has it under its own name
	access    tableAccess
	comment   string
	index     string // SQL name of the unique index that could be the replica identity, "" for the primary key or none
}

// tableAccess is what our account may do with a table.
type tableAccess struct {
	owner bool // add it to a publication
	read  bool // SELECT
}

// columnFacts is one live column in the order of its number.
type columnFacts struct {
	name      string
	typ       uint32 // pg_type oid
	modifier  int32  // pg_attribute.atttypmod, -1: none
	notNull   bool
	generated bool // stored or virtual
	published bool // the publication's columns have it
	def       defaultFacts
	comment   string
}

// full is the table's name for people and patterns.
func (f *tableFacts) full() string { return f.schema + "." + f.name }

// sql is the table's name in a statement.
func (f *tableFacts) sql() string { return identifier(f.schema) + "." + identifier(f.name) }

// identified reports that an old row in the log can be told from all others: without it the server refuses updates and deletes
// of a published table, and its users would blame us.
func (f *tableFacts) identified() bool { return f.identity == 'f' || len(f.identify) > 0 }

// logs reports that the log has all the columns of an old row.
func (f *tableFacts) logs(columns []string) bool {
	return f.identity == 'f' || containsAll(f.identify, columns)
}

func containsAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
}

// selection decides which tables are captured, partitions included.
type selection struct {
	match   *capture.Filter // tables and exclude_tables
	allowed *capture.Filter // all but exclude_tables
	viaRoot bool
}

func newSelection(cfg *Config) (*selection, error) {
	match, err := capture.NewFilter(cfg.Tables, cfg.ExcludeTables)
	if err != nil {
		return nil, err
	}
	rest, err := capture.NewFilter([]string{"*.*"}, cfg.ExcludeTables)
	return &selection{match: match, allowed: rest, viaRoot: cfg.PublishViaPartitionRoot}, err
}

// captures reports that changes which the log gives this table's name to are captured: by its own name, or, of a partition
// that stands for itself, by the name of a table that it is a part of.
func (s *selection) captures(f *tableFacts) bool {
	if s.match.Match(f.schema, f.name) {
		return true
	}
	if s.viaRoot || !s.allowed.Match(f.schema, f.name) {
		return false
	}
	return slices.ContainsFunc(f.ancestors, func(above *tableFacts) bool { return s.match.Match(above.schema, above.name) })
}
