package changelog

// Type is the logical type of a column. Its Kind is the kind of the column's non-null values.
type Type struct {
	Kind      Kind
	Bits      int      // integers: 8, 16, 24, 32, 64; KindBits: number of bits; KindBitString: declared number, 0 when unlimited
	Length    int      // text and bytes: declared length in characters or bytes, 0 when unlimited or unknown
	Precision int      // KindDecimal: all digits; 0 when the column has no limit and each value a scale of its own
	Scale     int      // KindDecimal: digits after the point
	FSP       int      // temporal kinds: fraction digits, 0-6
	Fixed     bool     // CHAR, BINARY and BIT, as opposed to VARCHAR, VARBINARY and VARBIT
	Year      bool     // KindInt that is MySQL's YEAR
	Labels    []string // KindEnum, KindSet: all labels in order, UTF-8. KindString that is an enum of PostgreSQL: those that it has now
	Charset   string   // text: the source's character set, information only; values are always UTF-8
	Elem      *Column  // KindArray: what the elements are, in any number of dimensions; it has no name
}

// Column describes one column of a table version.
type Column struct {
	Name       string
	Type       Type
	SourceType string // the source's own lower-case type text, for example "decimal(10,2)" or "bigint unsigned"
	Nullable   bool
	Generated  bool
	Invisible  bool

	// What the catalogue says beside. No log has it, so it is what the source knew when it made the table; values never depend
	// on it.
	Default       *Default // nil: the column has none, or the source does not know
	Comment       string
	AutoIncrement bool // the server numbers it: AUTO_INCREMENT, GENERATED … AS IDENTITY, serial
}

// Default is what a column gets in a row that does not name it.
type Default struct {
	// Value is the default where it is a constant, of the column's kind or NULL. It is Unchanged where the server computes it.
	// Its bytes live as long as the table.
	Value Value
	Text  string // as the server's catalogue has it: "0.00", "CURRENT_TIMESTAMP(3)", "nextval('t_id_seq'::regclass)"
}

// String gives the text.
func (d *Default) String() string {
	if d == nil {
		return "none"
	}
	return d.Text
}

// Table is one version of a table's shape. It is immutable and may be shared by any number of goroutines.
type Table struct {
	ID       int    // dense per table name, from 0: an index into plans; stable while the source object lives
	Version  int    // counts the shapes seen of this table, from 1
	Origin   string // kind of the database as Debezium names the connector: "mysql", "mariadb", "postgresql"
	Database string
	Schema   string // empty on MySQL and MariaDB
	Name     string
	Columns  []Column
	Key      []int  // indexes of the key columns in the order of the key's declaration; empty: no usable key
	Charset  string // default character set of the table, "" when unknown (MySQL, MariaDB)
	Comment  string // as Column.Comment

	// Inferred says that nobody described the columns: types and key are what JSON values of single messages let one guess. What has
	// to know the real types must refuse such a table.
	Inferred bool
}

// Namespace is what table patterns and {schema} in a topic's name mean: the schema, or the database where there are no schemas.
func (t *Table) Namespace() string {
	if t.Schema != "" {
		return t.Schema
	}
	return t.Database
}

// FullName is "database.table" on MySQL and MariaDB, "schema.table" on PostgreSQL.
func (t *Table) FullName() string { return t.Namespace() + "." + t.Name }

// UniqueName is the full name, on PostgreSQL behind the database: a source that reads topics may know tables of several databases.
func (t *Table) UniqueName() string {
	if t.Schema == "" {
		return t.FullName()
	}
	return t.Database + "." + t.FullName()
}

// ColumnIndex finds a column by its exact name, or returns -1.
func (t *Table) ColumnIndex(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
