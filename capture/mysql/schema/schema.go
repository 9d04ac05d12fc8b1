// Package schema follows the shape of tables through the statements that change it. A log without full row metadata has the
// types of columns and nothing else, so what a row means must be known from elsewhere: the server's catalogue, read at a known
// place in the log, and every statement since.
//
//	catalogue ─▶ Table ─┐
//	                    ├─▶ Catalog ─ Table(name) ─▶ what the rows at this place in the log look like
//	DDL in the log ─────┘ Apply
//
// A Table says what information_schema says, in the same words, so that it does not matter which of the two it came from.
package schema

// Name names a table as the server does, in the case that it stores.
type Name struct {
	Database string `json:"database"`
	Table    string `json:"table"`
}

// String is "database.table".
func (n Name) String() string { return n.Database + "." + n.Table }

// Table is one shape of a table. It is immutable: a statement makes another one.
type Table struct {
	Name
	Engine    string   `json:"engine,omitempty"`    // "InnoDB"; empty: unknown
	Collation string   `json:"collation,omitempty"` // default of new columns, "utf8mb4_0900_ai_ci"
	Columns   []Column `json:"columns"`
	Unique    []Index  `json:"unique,omitempty"` // unique indexes in the server's order, the primary key first
	Other     []Index  `json:"other,omitempty"`  // those that are not unique: the server names a new index in the light of all
	Period    *Period  `json:"period,omitempty"` // MariaDB's application-time period
}

// Column is a column as a row of information_schema.COLUMNS describes it.
type Column struct {
	Name       string   `json:"name"`
	DataType   string   `json:"type"`                 // DATA_TYPE: "int", "varchar", "enum", "point", "uuid"
	ColumnType string   `json:"column_type"`          // COLUMN_TYPE as this server's release writes it: "int(10) unsigned", "enum('a','b')"
	Octets     int      `json:"octets,omitempty"`     // CHARACTER_OCTET_LENGTH of CHAR, VARCHAR, BINARY and VARBINARY
	Precision  int      `json:"precision,omitempty"`  // NUMERIC_PRECISION of DECIMAL and BIT
	Scale      int      `json:"scale,omitempty"`      // NUMERIC_SCALE of DECIMAL
	FSP        int      `json:"fsp,omitempty"`        // DATETIME_PRECISION of TIME, DATETIME and TIMESTAMP
	Collation  string   `json:"collation,omitempty"`  // COLLATION_NAME of text, ENUM and SET; empty: binary or no text
	Labels     []string `json:"labels,omitempty"`     // of ENUM and SET, in order, UTF-8
	Nullable   bool     `json:"nullable,omitempty"`   //
	Generated  bool     `json:"generated,omitempty"`  // stored or virtual
	Virtual    bool     `json:"virtual,omitempty"`    // generated and not stored
	Invisible  bool     `json:"invisible,omitempty"`  //
	Compressed bool     `json:"compressed,omitempty"` // MariaDB's COMPRESSED: stored and logged in another form
	Hidden     bool     `json:"hidden,omitempty"`     // in row images and not in the catalogue, such as the period of a system-versioned table
}

// Index is an index.
type Index struct {
	Name  string `json:"name"` // "PRIMARY" is the primary key
	Parts []Part `json:"parts"`
	Hash  bool   `json:"hash,omitempty"` // MariaDB keeps a unique index as a hash in a hidden column: INDEX_TYPE is HASH, and the engine not MEMORY

	// Of those that are not unique: Made says that a statement that was applied has made it. Then Foreign says that it was made
	// for a foreign key alone, and goes when another can do its work. Without Made that is not known.
	Made    bool `json:"made,omitempty"`
	Foreign bool `json:"foreign,omitempty"`
}

// Period is the application-time period of a table, a name that stands for two columns.
type Period struct {
	Name  string `json:"name"`
	Begin string `json:"begin"`
	End   string `json:"end"`
}

// Part is a part of an index.
type Part struct {
	Column     string `json:"column"`               // empty: an expression
	Prefix     int    `json:"prefix,omitempty"`     // indexed characters or bytes; 0: the whole column
	Descending bool   `json:"descending,omitempty"` //
}

// Server says whose statements are applied: releases differ in defaults and in how they write types.
type Server struct {
	MariaDB        bool
	Version        int               // 80031 for 8.0.31, 50722, 101118
	LowerCaseNames bool              // lower_case_table_names is not 0: names of databases and tables are compared and kept in lower case
	Collations     map[string]string // each collation's character set, by name
	Defaults       map[string]string // each character set's default collation, by name; MariaDB's as after SET SESSION character_set_collations=''
	Collation      string            // collation_server, the default of new databases

	ImplicitTimestamps bool // explicit_defaults_for_timestamp is OFF: a TIMESTAMP without NULL is NOT NULL
}

// Session is what the log says of the session that ran a statement.
type Session struct {
	Database   string // its current one
	SQLMode    uint64 // as in the QUERY event: ANSI_QUOTES is 4, REAL_AS_FLOAT 1, NO_BACKSLASH_ESCAPES 1<<20
	Collation  string // collation_database, by name; empty: not said
	UTF8MB4    string // default_collation_for_utf8mb4, by name; empty: the server's
	Connection string // collation_connection, by name; empty: not said
	Server     string // collation_server, by name, the default of databases that it makes; empty: Server.Collation

	// Defaults are default collations of character sets that differ from the server's (MariaDB's character_set_collations).
	Defaults map[string]string
}

// Effect is what a statement did to the tables that are followed.
type Effect struct {
	Changed []Name // exist now, or have another shape than before
	Gone    []Name // were dropped, or renamed away
	Unknown []Name // have a shape that the statement and what is known do not tell: the catalogue must be asked
}
