package postgres

import "strings"

// builtin is a type that every server has, under the same numbers since they were given (pg_type.dat).
type builtin struct {
	oid      uint32
	array    uint32 // the number of its array type, 0: none
	name     string // typname
	source   string // format_type, when it differs from the name
	prepare  prepareFunc
	modified bool // the modifier changes how values are written elsewhere, so they cannot be read without it
}

// builtins leaves out the pseudo types, of which no column can be, and what only system catalogues hold.
var builtins = []builtin{
	{oid: 16, array: 1000, name: "bool", source: "boolean", prepare: prepareBool},
	{oid: 17, array: 1001, name: "bytea", prepare: prepareBytea},
	{oid: 18, array: 1002, name: "char", source: `"char"`, prepare: prepareText},
	{oid: 19, array: 1003, name: "name", prepare: prepareText},
	{oid: 20, array: 1016, name: "int8", source: "bigint", prepare: prepareInt8},
	{oid: 21, array: 1005, name: "int2", source: "smallint", prepare: prepareInt2},
	{oid: 22, array: 1006, name: "int2vector", prepare: prepareText},
	{oid: 23, array: 1007, name: "int4", source: "integer", prepare: prepareInt4},
	{oid: 24, array: 1008, name: "regproc", prepare: prepareText},
	{oid: 25, array: 1009, name: "text", prepare: prepareText},
	{oid: 26, array: 1028, name: "oid", prepare: prepareOID},
	{oid: 27, array: 1010, name: "tid", prepare: prepareText},
	{oid: 28, array: 1011, name: "xid", prepare: prepareText},
	{oid: 29, array: 1012, name: "cid", prepare: prepareText},
	{oid: 30, array: 1013, name: "oidvector", prepare: prepareText},
	{oid: 114, array: 199, name: "json", prepare: prepareJSON},
	{oid: 142, array: 143, name: "xml", prepare: prepareText},
	{oid: 600, array: 1017, name: "point", prepare: prepareText},
	{oid: 601, array: 1018, name: "lseg", prepare: prepareText},
	{oid: 602, array: 1019, name: "path", prepare: prepareText},
	{oid: boxOID, array: 1020, name: "box", prepare: prepareText},
	{oid: 604, array: 1027, name: "polygon", prepare: prepareText},
	{oid: 628, array: 629, name: "line", prepare: prepareText},
	{oid: 650, array: 651, name: "cidr", prepare: prepareText},
	{oid: 700, array: 1021, name: "float4", source: "real", prepare: prepareFloat4},
	{oid: 701, array: 1022, name: "float8", source: "double precision", prepare: prepareFloat8},
	{oid: 718, array: 719, name: "circle", prepare: prepareText},
	{oid: 774, array: 775, name: "macaddr8", prepare: prepareText},
	{oid: 790, array: 791, name: "money", prepare: prepareMoney},
	{oid: 829, array: 1040, name: "macaddr", prepare: prepareText},
	{oid: 869, array: 1041, name: "inet", prepare: prepareText},
	{oid: 1033, array: 1034, name: "aclitem", prepare: prepareText},
	{oid: 1042, array: 1014, name: "bpchar", prepare: prepareChar},
	{oid: 1043, array: 1015, name: "varchar", source: "character varying", prepare: prepareVarchar},
	{oid: 1082, array: 1182, name: "date", prepare: prepareDate},
	{oid: 1083, array: 1183, name: "time", source: "time without time zone", prepare: prepareTime, modified: true},
	{oid: 1114, array: 1115, name: "timestamp", source: "timestamp without time zone", prepare: prepareTimestamp, modified: true},
	{oid: 1184, array: 1185, name: "timestamptz", source: "timestamp with time zone", prepare: prepareTimestampTZ, modified: true},
	{oid: 1186, array: 1187, name: "interval", prepare: prepareInterval, modified: true},
	{oid: 1266, array: 1270, name: "timetz", source: "time with time zone", prepare: prepareTimeTZ, modified: true},
	{oid: 1560, array: 1561, name: "bit", source: `"bit"`, prepare: prepareBit, modified: true},
	{oid: 1562, array: 1563, name: "varbit", source: "bit varying", prepare: prepareVarbit, modified: true},
	{oid: 1700, array: 1231, name: "numeric", prepare: prepareNumeric, modified: true},
	{oid: 1790, array: 2201, name: "refcursor", prepare: prepareText},
	{oid: 2202, array: 2207, name: "regprocedure", prepare: prepareText},
	{oid: 2203, array: 2208, name: "regoper", prepare: prepareText},
	{oid: 2204, array: 2209, name: "regoperator", prepare: prepareText},
	{oid: 2205, array: 2210, name: "regclass", prepare: prepareText},
	{oid: 2206, array: 2211, name: "regtype", prepare: prepareText},
	{oid: 2950, array: 2951, name: "uuid", prepare: prepareText},
	{oid: 2970, array: 2949, name: "txid_snapshot", prepare: prepareText},
	{oid: 3220, array: 3221, name: "pg_lsn", prepare: prepareText},
	{oid: 3614, array: 3643, name: "tsvector", prepare: prepareText},
	{oid: 3615, array: 3645, name: "tsquery", prepare: prepareText},
	{oid: 3734, array: 3735, name: "regconfig", prepare: prepareText},
	{oid: 3769, array: 3770, name: "regdictionary", prepare: prepareText},
	{oid: 3802, array: 3807, name: "jsonb", prepare: prepareJSON},
	{oid: 3904, array: 3905, name: "int4range", prepare: prepareText},
	{oid: 3906, array: 3907, name: "numrange", prepare: prepareText},
	{oid: 3908, array: 3909, name: "tsrange", prepare: prepareText},
	{oid: 3910, array: 3911, name: "tstzrange", prepare: prepareText},
	{oid: 3912, array: 3913, name: "daterange", prepare: prepareText},
	{oid: 3926, array: 3927, name: "int8range", prepare: prepareText},
	{oid: 4072, array: 4073, name: "jsonpath", prepare: prepareText},
	{oid: 4089, array: 4090, name: "regnamespace", prepare: prepareText},
	{oid: 4096, array: 4097, name: "regrole", prepare: prepareText},
	{oid: 4191, array: 4192, name: "regcollation", prepare: prepareText},
	{oid: 4451, array: 6150, name: "int4multirange", prepare: prepareText},
	{oid: 4532, array: 6151, name: "nummultirange", prepare: prepareText},
	{oid: 4533, array: 6152, name: "tsmultirange", prepare: prepareText},
	{oid: 4534, array: 6153, name: "tstzmultirange", prepare: prepareText},
	{oid: 4535, array: 6155, name: "datemultirange", prepare: prepareText},
	{oid: 4536, array: 6157, name: "int8multirange", prepare: prepareText},
	{oid: 5038, array: 5039, name: "pg_snapshot", prepare: prepareText},
	{oid: 5069, array: 271, name: "xid8", prepare: prepareText},
}

// boxOID is the one built-in type whose text has commas of its own, so that its arrays have semicolons.
const boxOID = 603

// extensionTypes are the types of extensions that are more than their text. Extensions have no fixed numbers.
var extensionTypes = map[string]prepareFunc{
	"hstore":    prepareHstore,
	"vector":    prepareVector,
	"geometry":  prepareGeometry,
	"geography": prepareGeometry,
	"halfvec":   prepareHalfvec,
	"sparsevec": prepareHalfvec,
}

func extensionType(name string) prepareFunc {
	if prepare, ok := extensionTypes[name]; ok {
		return prepare
	}
	return prepareText
}

var builtinIndex = func() map[uint32]*builtin {
	index := make(map[uint32]*builtin, 2*len(builtins))
	for i := range builtins {
		t := &builtins[i]
		index[t.oid] = t
		if t.array != 0 {
			index[t.array] = t
		}
	}
	return index
}()

// builtinOf finds the built-in type of that number, or whose array has it; nil when there is none.
func builtinOf(oid uint32) (t *builtin, array bool) {
	t = builtinIndex[oid]
	return t, t != nil && t.array == oid
}

func builtinNamed(name string) *builtin {
	for i := range builtins {
		if builtins[i].name == name {
			return &builtins[i]
		}
	}
	return nil
}

func (t *builtin) column(modifier int32) (columnType, error) {
	c := columnType{source: t.source}
	if c.source == "" {
		c.source = t.name
	}
	return c, t.prepare(&c, modifier)
}

func (t *builtin) delimiter() byte {
	if t.oid == boxOID {
		return ';'
	}
	return ','
}

// quoteName quotes a name that is more than lower-case letters, digits and underscores.
func quoteName(name string) string {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9' || i == 0) {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}
