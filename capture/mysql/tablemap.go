package mysql

// tableMap is the head of a TABLE_MAP event: enough to decide whether the table is captured. It borrows from the event.
type tableMap struct {
	ID           uint64 // the table's number in the ROWS events that follow; another one after each reopen of the table
	Flags        uint16
	Schema, Name []byte // utf8mb3

	// Shape is everything after the id and the flags, names included: equal bytes mean an equal table, so a prepared
	// shape is cached by it. columns is the part after the names.
	Shape   []byte
	columns []byte

	MariaDB bool // what the log is of, which the event does not say
	Bare    bool // the same: serverFacts.bareJSON
}

// parseTableMap reads the head of a TABLE_MAP event's body (no header, no checksum). It looks at no column.
func parseTableMap(body []byte) (tableMap, error) {
	c := cursor{b: body}
	m := tableMap{ID: c.uint(6), Flags: c.u16()}
	m.Shape = c.b
	m.Schema = c.terminated(int(c.u8()))
	m.Name = c.terminated(int(c.u8()))
	m.columns = c.b
	if c.short || len(m.Name) == 0 {
		return tableMap{}, badEvent("reading a TABLE_MAP event", "its %d bytes do not hold the table's name", len(body))
	}
	return m, nil
}

// tableLayout is the rest of a TABLE_MAP: the physical columns and, with binlog_row_metadata=FULL, their description.
type tableLayout struct {
	columns []columnLayout
	meta    tableMetadata
	mariadb bool
	bare    bool // serverFacts.bareJSON
}

// columnLayout is how a column is stored in a row image.
type columnLayout struct {
	typ      columnType // the real type, never typeString for an ENUM or SET
	meta     uint16     // type-specific: length, precision and scale, fraction digits
	nullable bool
}

// parseLayout reads what parseTableMap left.
func (m tableMap) parseLayout() (tableLayout, error) {
	const op = "reading the columns of a TABLE_MAP event"
	c := cursor{b: m.columns}
	n := c.packedInt()
	types := c.bytes(n)
	if c.short || n == 0 {
		return tableLayout{}, badEvent(op, "%s.%s: it says %d columns in %d bytes", m.Schema, m.Name, n, len(m.columns))
	}
	l := tableLayout{columns: make([]columnLayout, n), mariadb: m.MariaDB, bare: m.Bare}
	meta := cursor{b: c.packedBytes()}
	for i := range l.columns {
		if err := l.columns[i].read(columnType(types[i]), &meta); err != nil {
			return tableLayout{}, err
		}
	}
	if meta.short || len(meta.b) != 0 {
		return tableLayout{}, badEvent(op, "%s.%s: the type metadata does not fit %d columns", m.Schema, m.Name, n)
	}
	nulls := c.bytes((n + 7) / 8)
	if c.short {
		return tableLayout{}, badEvent(op, "%s.%s: it ends before the NULL bits", m.Schema, m.Name)
	}
	for i := range l.columns {
		l.columns[i].nullable = nulls[i/8]>>(i%8)&1 == 1
	}
	var err error
	l.meta, err = parseMetadata(c.b, l.columns, l.mariadb)
	return l, err
}

// read takes the column's type-specific bytes from the metadata block.
func (l *columnLayout) read(typ columnType, meta *cursor) error {
	l.typ = typ
	switch typ {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeNull, typeYear, typeDate, typeNewDate,
		typeTime, typeDateTime, typeTimestamp:
	case typeFloat, typeDouble, typeTimestamp2, typeDateTime2, typeTime2,
		typeTinyBlob, typeMediumBlob, typeLongBlob, typeBlob, typeBlobCompressed, typeJSON, typeGeometry, typeVector:
		l.meta = uint16(meta.u8())
	case typeVarchar, typeVarcharCompressed, typeBit:
		l.meta = meta.u16()
	case typeNewDecimal, typeEnum, typeSet:
		l.meta = uint16(meta.u8())<<8 | uint16(meta.u8())
	case typeString, typeVarString:
		l.readString(meta)
	default:
		// Without its metadata's length nothing after it can be read.
		return unsupportedType("", typ)
	}
	return nil
}

// readString takes the two bytes of a fixed-length string. The first is the real type (ENUM and SET hide here) with the
// length's bits 8 and 9, inverted, in its bits 4 and 5.
func (l *columnLayout) readString(meta *cursor) {
	typ, length := meta.u8(), uint16(meta.u8())
	if typ&0x30 != 0x30 {
		length |= uint16(typ&0x30^0x30) << 4
		typ |= 0x30
	}
	l.typ, l.meta = columnType(typ), length
}
