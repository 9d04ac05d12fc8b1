package mysql

import "math"

// tableMetadata is the optional part of a TABLE_MAP (binlog_row_metadata). The slices have an entry for every column, also
// for those that a field does not speak of; a nil slice means that the field is absent. It borrows from the event.
type tableMetadata struct {
	unsigned   []bool
	collations []uint32 // of character, ENUM and SET columns; 63 is "binary"
	names      [][]byte // utf8mb3
	labels     [][][]byte
	labelsUTF8 bool  // labels are UTF-8 and not in the column's character set
	geometry   []int // OGC type, 0: any
	key        []int // column indexes in key order
	prefixes   []int // beside key: the indexed length in characters, 0: the whole column
	invisible  []bool
	dimensions []int
	natives    []string // not of the log: the types of MariaDB that it shows as BINARY, "" elsewhere
	longNames  bool     // not of the log: the server says geometrycollection, as MySQL before 8.0
}

// Fields of the optional metadata.
const (
	metaSignedness       = 1
	metaDefaultCharset   = 2
	metaColumnCharset    = 3
	metaColumnName       = 4
	metaSetLabels        = 5
	metaEnumLabels       = 6
	metaGeometryType     = 7
	metaPrimaryKey       = 8
	metaPrimaryKeyPrefix = 9
	metaEnumSetDefault   = 10
	metaEnumSetCharset   = 11
	metaVisibility       = 12
	metaVectorDimension  = 13
)

// metadataReader spreads the fields over the columns.
type metadataReader struct {
	cols      []columnLayout
	character func(columnType) bool
	out       tableMetadata
}

func parseMetadata(b []byte, cols []columnLayout, mariadb bool) (tableMetadata, error) {
	r := metadataReader{cols: cols, character: columnType.character}
	if mariadb {
		r.character = columnType.characterMariaDB
	}
	for c := (cursor{b: b}); len(c.b) > 0; {
		field := c.u8()
		f := cursor{b: c.packedBytes()}
		if c.short {
			return tableMetadata{}, badEvent("reading TABLE_MAP metadata", "field %d is cut short", field)
		}
		if !r.field(field, &f) || f.short || len(f.b) != 0 {
			return tableMetadata{}, badEvent("reading TABLE_MAP metadata", "field %d does not fit %d columns", field, len(cols))
		}
	}
	return r.out, nil
}

// field reads one field and reports whether it fits the columns.
func (r *metadataReader) field(field uint8, f *cursor) bool {
	enumOrSet := func(t columnType) bool { return t == typeEnum || t == typeSet }
	switch field {
	case metaSignedness:
		r.out.unsigned = r.bits(f, columnType.numeric)
	case metaDefaultCharset:
		return r.defaultCharset(f, r.character)
	case metaColumnCharset:
		return r.charsets(f, r.character)
	case metaEnumSetDefault:
		return r.defaultCharset(f, enumOrSet)
	case metaEnumSetCharset:
		return r.charsets(f, enumOrSet)
	case metaColumnName:
		r.out.names = make([][]byte, len(r.cols))
		for i := range r.out.names {
			r.out.names[i] = f.packedBytes()
		}
	case metaSetLabels:
		return r.labels(f, typeSet)
	case metaEnumLabels:
		return r.labels(f, typeEnum)
	case metaGeometryType:
		r.out.geometry = r.numbers(f, typeGeometry)
	case metaVectorDimension:
		r.out.dimensions = r.numbers(f, typeVector)
	case metaPrimaryKey, metaPrimaryKeyPrefix:
		return r.primaryKey(f, field == metaPrimaryKeyPrefix)
	case metaVisibility:
		visible := r.bits(f, func(columnType) bool { return true })
		for i := range visible {
			visible[i] = !visible[i]
		}
		r.out.invisible = visible
	default:
		// The format lets a server add fields; none of those above depends on one that we do not know.
		f.b = nil
	}
	return true
}

// bits reads one bit, highest first, for each column that is of the kind.
func (r *metadataReader) bits(f *cursor, is func(columnType) bool) []bool {
	out := make([]bool, len(r.cols))
	n := 0
	var b uint8
	for i := range r.cols {
		if !is(r.cols[i].typ) {
			continue
		}
		if n%8 == 0 {
			b = f.u8()
		}
		out[i] = b>>(7-n%8)&1 == 1
		n++
	}
	return out
}

// numbers reads one number for each column of the type.
func (r *metadataReader) numbers(f *cursor, typ columnType) []int {
	out := make([]int, len(r.cols))
	for i := range r.cols {
		if r.cols[i].typ == typ {
			out[i] = f.packedInt()
		}
	}
	return out
}

func (r *metadataReader) collations() []uint32 {
	if r.out.collations == nil {
		r.out.collations = make([]uint32, len(r.cols))
	}
	return r.out.collations
}

// charsets reads one collation for each column of the kind.
func (r *metadataReader) charsets(f *cursor, is func(columnType) bool) bool {
	out := r.collations()
	for i := range r.cols {
		if is(r.cols[i].typ) {
			v := f.packed()
			if v > math.MaxUint32 {
				return false
			}
			out[i] = uint32(v)
		}
	}
	return true
}

// defaultCharset reads the collation that most columns of the kind have, and the exceptions by their ordinal among them.
func (r *metadataReader) defaultCharset(f *cursor, is func(columnType) bool) bool {
	out := r.collations()
	var of []int // columns of the kind
	usual := f.packed()
	for i := range r.cols {
		if is(r.cols[i].typ) {
			of = append(of, i)
			out[i] = uint32(usual)
		}
	}
	for len(f.b) > 0 {
		i, v := f.packedInt(), f.packed()
		if i >= len(of) || v > math.MaxUint32 {
			return false
		}
		out[of[i]] = uint32(v)
	}
	return usual <= math.MaxUint32
}

func (r *metadataReader) labels(f *cursor, typ columnType) bool {
	if r.out.labels == nil {
		r.out.labels = make([][][]byte, len(r.cols))
	}
	for i := range r.cols {
		if r.cols[i].typ != typ {
			continue
		}
		n := f.packedInt()
		if n > len(f.b) { // each label takes a byte at least
			return false
		}
		labels := make([][]byte, n)
		for j := range labels {
			labels[j] = f.packedBytes()
		}
		r.out.labels[i] = labels
	}
	return true
}

func (r *metadataReader) primaryKey(f *cursor, prefix bool) bool {
	seen := make([]bool, len(r.cols))
	for len(f.b) > 0 {
		i, length := f.packedInt(), 0
		if prefix {
			length = f.packedInt()
		}
		if i >= len(r.cols) || seen[i] {
			return false
		}
		seen[i] = true
		r.out.key = append(r.out.key, i)
		r.out.prefixes = append(r.out.prefixes, length)
	}
	return true
}
