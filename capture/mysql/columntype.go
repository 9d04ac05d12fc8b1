package mysql

import (
	"fmt"

	"cdcbridge/internal/fault"
)

// columnType is a column's type byte in a TABLE_MAP.
type columnType uint8

// Types of columns.
const (
	typeDecimal    columnType = 0 // before MySQL 5.0
	typeTiny       columnType = 1
	typeShort      columnType = 2
	typeLong       columnType = 3
	typeFloat      columnType = 4
	typeDouble     columnType = 5
	typeNull       columnType = 6
	typeTimestamp  columnType = 7 // before MySQL 5.6, like typeDateTime and typeTime
	typeLongLong   columnType = 8
	typeInt24      columnType = 9
	typeDate       columnType = 10
	typeTime       columnType = 11
	typeDateTime   columnType = 12
	typeYear       columnType = 13
	typeNewDate    columnType = 14
	typeVarchar    columnType = 15
	typeBit        columnType = 16
	typeTimestamp2 columnType = 17
	typeDateTime2  columnType = 18
	typeTime2      columnType = 19
	typeTypedArray columnType = 20 // hidden columns of multi-valued indexes, which the server leaves out of the log

	typeBlobCompressed    columnType = 140 // of MariaDB
	typeVarcharCompressed columnType = 141

	typeVector     columnType = 242
	typeJSON       columnType = 245
	typeNewDecimal columnType = 246
	typeEnum       columnType = 247
	typeSet        columnType = 248
	typeTinyBlob   columnType = 249
	typeMediumBlob columnType = 250
	typeLongBlob   columnType = 251
	typeBlob       columnType = 252
	typeVarString  columnType = 253
	typeString     columnType = 254
	typeGeometry   columnType = 255
)

// numeric reports the types that have a bit in the signedness metadata. YEAR is one of them.
func (t columnType) numeric() bool {
	switch t {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong, typeFloat, typeDouble, typeDecimal, typeNewDecimal, typeYear:
		return true
	}
	return false
}

// character reports the types that have an entry in the character set metadata, where BINARY, BLOB and VECTOR have "binary".
func (t columnType) character() bool {
	switch t {
	case typeString, typeVarString, typeVarchar, typeBlob, typeTinyBlob, typeMediumBlob, typeLongBlob, typeVector,
		typeVarcharCompressed, typeBlobCompressed:
		return true
	}
	return false
}

// characterMariaDB is the same for MariaDB, where geometries have one too.
func (t columnType) characterMariaDB() bool { return t == typeGeometry || t.character() }

func unsupportedType(column string, t columnType) error {
	return fault.NewFinal(fault.UnsupportedType, "preparing a table's decoder", fmt.Errorf("column %q has the type number %d", column, t),
		"This release does not know the type. Leave the table out of tables, or upgrade cdcbridge.")
}
