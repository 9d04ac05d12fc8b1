// Package postgrestypes has tables of every type of PostgreSQL with its edge values. Its tests stream them through the PostgreSQL source
// on real servers, and compare each value with what the server says of it in another way.
package postgrestypes

import (
	"fmt"
	"strings"
)

// family is one table: columns of related types, and a row of literals for each edge.
type family struct {
	name    string
	since   int // version from which on the family works, 0: any
	setup   []string
	columns []column
	rows    [][]string // SQL, one a column; a shorter row leaves the others NULL
}

// Table is a table of values for tests elsewhere. It has the key id and columns c0, c1, … of the types.
type Table struct {
	Name   string
	Since  int      // version of PostgreSQL from which on it works, 0: any
	Create []string // statements that make it and what it needs
	Insert []string // statements that fill it, one a row
	Types  []string // SQL, one a column but the key

	Rows [][]string // the values that Insert has, SQL: one a column but the key; a shorter row leaves out the last ones
}

// Tables are all of them.
func Tables() []Table {
	var out []Table
	for i := range families {
		f := &families[i]
		t := Table{Name: f.name, Since: f.since, Create: f.create(), Rows: f.rows}
		for n := range f.rows {
			t.Insert = append(t.Insert, f.insert(n))
		}
		for _, c := range f.columns {
			t.Types = append(t.Types, c.typ)
		}
		out = append(out, t)
	}
	return out
}

// create are the statements that make the table, with whole old rows in the log.
func (f *family) create() []string {
	var defs strings.Builder
	for i, c := range f.columns {
		fmt.Fprintf(&defs, ", c%d %s", i, c.typ)
	}
	return append(append([]string{}, f.setup...), "CREATE TABLE "+f.name+" (id int PRIMARY KEY"+defs.String()+")", "ALTER TABLE "+f.name+" REPLICA IDENTITY FULL")
}

// insert is the statement for row n, whose key is n.
func (f *family) insert(n int) string {
	names := []string{"id"}
	for i := range f.rows[n] {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%d, %s)", f.name, strings.Join(names, ", "), n, strings.Join(f.rows[n], ", "))
}

// column is a type and how the server itself tells the value in another way than by printing it: see canonical.
type column struct {
	typ  string
	tell string // SQL with $ for the column; "": the type's text
}

// How values are told. Text goes through no client encoding and no output function of the stream's session.
const (
	tellHex      = "encode(convert_to($::text, 'UTF8'), 'hex')"
	tellXML      = "CASE WHEN $ IS NOT NULL THEN encode(convert_to(format('%s', $), 'UTF8'), 'hex') END" // the cast keeps what the output drops
	tellOutput   = "CASE WHEN $ IS NOT NULL THEN format('%s', $) END"                                    // the cast prints a mask always
	tellBlanks   = "encode(bpcharsend($), 'hex')"
	tellFloat4   = "CASE WHEN $ = 'NaN' THEN 'NaN' ELSE encode(float4send($), 'hex') END"
	tellFloat8   = "CASE WHEN $ = 'NaN' THEN 'NaN' ELSE encode(float8send($), 'hex') END"
	tellBytes    = "encode($, 'hex')"
	tellDate     = "CASE WHEN isfinite($) THEN ($ - date '1970-01-01')::text ELSE $::text END"
	tellTime     = "(extract(epoch FROM $) * 1000000)::int8::text"
	tellTimeTZ   = "((extract(epoch FROM $) + extract(timezone FROM $)) * 1000000)::int8 || ' ' || extract(timezone FROM $)::int"
	tellStamp    = "CASE WHEN isfinite($) THEN trunc(extract(epoch FROM $) * 1000000)::text ELSE $::text END"
	tellInterval = "CASE WHEN isfinite($) THEN (extract(year FROM $) * 12 + extract(month FROM $))::int8 || ' ' || extract(day FROM $)::int8 || ' ' ||" +
		" (extract(hour FROM $) * 3600000000 + extract(minute FROM $) * 60000000 + extract(microseconds FROM $))::int8 ELSE $::text END"
	tellMoney  = "$::numeric(22,2)::text"
	tellNested = "to_jsonb($::text[])::text" // arrays of any dimensions, whose elements are told by their text
	tellMap    = "hstore_to_jsonb($)::text"
)

// elements tells a flat array by telling each element.
func elements(tell string) string {
	if tell == "" {
		tell = "$::text"
	}
	return "CASE WHEN $ IS NULL THEN NULL ELSE coalesce((SELECT json_agg(" + strings.ReplaceAll(tell, "$", "e") + " ORDER BY n) FROM unnest($) WITH ORDINALITY AS x (e, n)), '[]')::text END"
}

func same(typ string, tell string, n int) []column {
	out := make([]column, n)
	for i := range out {
		out[i] = column{typ, tell}
	}
	return out
}

// families are all tables. pgvector and PostGIS are not among the servers' extensions: the last one has types of their names
// that print as theirs do.
var families = []family{
	{name: "numbers", columns: []column{
		{"bool", ""}, {"int2", ""}, {"int4", ""}, {"int8", ""}, {"oid", ""}, {"float4", tellFloat4}, {"float8", tellFloat8}, {"smallint NOT NULL DEFAULT 7", ""},
	}, rows: [][]string{
		{"true", "-32768", "-2147483648", "-9223372036854775808", "0", "'-Infinity'", "'-Infinity'"},
		{"false", "32767", "2147483647", "9223372036854775807", "4294967295", "'Infinity'", "'Infinity'"},
		{"NULL", "0", "0", "0", "1", "'NaN'", "'NaN'"},
		{"NULL", "NULL", "NULL", "NULL", "NULL", "'-0'", "'-0'"},
		{"true", "1", "-1", "9007199254740993", "NULL", "1e-45", "5e-324"},
		{"true", "1", "-1", "1", "NULL", "3.4028235e38", "1.7976931348623157e308"},
		{"true", "1", "-1", "1", "NULL", "0.1", "0.1"},
		{"true", "1", "-1", "1", "NULL", "16777216", "0.30000000000000004"},
		{"true", "1", "-1", "1", "NULL", "1e15", "123456789012345678"},
	}},
	{name: "decimals", columns: []column{
		{"numeric", ""}, {"numeric(10,2)", ""}, {"numeric(5,0)", ""}, {"numeric(5,-2)", ""}, {"numeric(2,4)", ""}, {"numeric(1000,500)", ""}, {"money", tellMoney},
	}, rows: [][]string{
		{"12.3400", "1.5", "12345", "12345", "0.00123", "1", "1234.56"},
		{"'NaN'", "'NaN'", "'NaN'", "'NaN'", "'NaN'", "'NaN'", "-1234.56"},
		{"'Infinity'", "-99999999.99", "-99999", "-9999900", "-0.0099", "repeat('9',500)::numeric", "'92233720368547758.07'"},
		{"'-Infinity'", "0", "0", "0", "0", "-1e-500::numeric", "'-92233720368547758.08'"},
		{"1e-1000::numeric", "-0.00", "1.5", "50", "NULL", "NULL", "0"},
		{"1e1000::numeric + 0.5", "NULL", "NULL", "NULL", "NULL", "NULL", "999.99"},
		{"(repeat('9',20000) || '.' || repeat('1',16000))::numeric", "NULL", "NULL", "NULL", "NULL", "NULL", "-0.01"},
	}},
	{name: "texts", setup: []string{"CREATE EXTENSION IF NOT EXISTS citext SCHEMA public", "CREATE EXTENSION IF NOT EXISTS ltree SCHEMA public"}, columns: []column{
		{"text", tellHex}, {"varchar(9)", tellHex}, {"char(5)", tellBlanks}, {"bpchar", tellBlanks}, {"name", tellHex}, {`"char"`, tellHex}, {"public.citext", tellHex}, {"uuid", ""}, {"xml", tellXML},
		{"json", tellHex}, {"jsonb", tellHex}, {"public.ltree", tellHex},
	}, rows: [][]string{
		{"''", "''", "''", "''", "''", "''", "''", "'00000000-0000-0000-0000-000000000000'", "'<a/>'", "'{\"b\" : 1.0,\n \"a\":[1,2,{}], \"a\": 1e2}'", "'{\"b\" : 1.0,\n \"a\":[1,2,{}], \"a\": 1e2}'", "''"},
		{"E'é😀\\n\\x01\\\\'", "'café'", "'ab'", "'ab  '", "'A b'", "'x'", "'Straße'", "'FFFFFFFF-ffff-ffff-ffff-ffffffffffff'", "'<?xml version=\"1.0\"?><a>é</a>'", "'null'", "'\"\\u00e9\"'", "'Top.Science.a_1'"},
		{"repeat('long 日本 ', 20000)", "'123456789'", "'日本語  '", "repeat(' ', 7)", "repeat('n', 63)", `'\303'`, "repeat('ci', 5000)", "gen_random_uuid()", "('<a>' || repeat('b', 5000) || '</a>')::xml", "to_json(repeat('j', 5000))", "jsonb_build_object('k', repeat('j', 5000))", "NULL"},
	}},
	{name: "times", columns: []column{
		{"date", tellDate}, {"time", tellTime}, {"time(3)", tellTime}, {"timetz", tellTimeTZ}, {"timetz(0)", tellTimeTZ}, {"timestamp", tellStamp}, {"timestamp(3)", tellStamp}, {"timestamptz", tellStamp}, {"timestamptz(0)", tellStamp},
	}, rows: [][]string{
		{"'2024-02-29'", "'07:08:09.123456'", "'07:08:09.1236'", "'07:08:09.123456+05:45'", "'07:08:09.6-03:30'", "'2024-02-29 23:59:59.999999'", "'2024-02-29 23:59:59.9996'", "'2024-02-29 23:59:59.999999+00'", "'2024-02-29 23:59:59.5+14'"},
		{"'infinity'", "'00:00'", "'24:00'", "'24:00:00+15:59:59'", "'00:00:00-15:59:59'", "'infinity'", "'infinity'", "'infinity'", "'infinity'"},
		{"'-infinity'", "'24:00'", "'23:59:59.9999'", "'00:00:00+00:19:32'", "'12:00+00'", "'-infinity'", "'-infinity'", "'-infinity'", "'-infinity'"},
		{"'4714-11-24 BC'", "'00:00:00.000001'", "'00:00:00.001'", "'12:00:00.5-00:19:32'", "NULL", "'4714-11-24 00:00:00 BC'", "'0044-03-15 10:00 BC'", "'4714-11-24 00:00:00+00 BC'", "'0001-01-01 00:00:00+00'"},
		{"'5874897-12-31'", "NULL", "NULL", "NULL", "NULL", "'294247-01-08 23:59:59.999999'", "'20240-01-01'", "'294247-01-08 23:59:59.999999+00'", "'10000-01-01 00:00+00'"},
		{"'0001-12-31 BC'", "NULL", "NULL", "NULL", "NULL", "'0001-12-31 23:59:59.999999 BC'", "'1582-10-10'", "'1582-10-10 00:00+00'", "'1900-03-01 00:00+00'"},
		{"'0005-02-29 BC'", "NULL", "NULL", "NULL", "NULL", "'1969-12-31 23:59:59.999999'", "'1970-01-01'", "'1970-01-01 00:00+00'", "'2038-01-19 03:14:08+00'"},
	}},
	{name: "intervals", columns: []column{
		{"interval", tellInterval}, {"interval(2)", tellInterval}, {"interval year to month", tellInterval}, {"interval day to second(3)", tellInterval},
	}, rows: [][]string{
		{"'1 year 2 mons 3 days 04:05:06.78'", "'04:05:06.789'", "'1-2'", "'3 04:05:06.7891'"},
		{"'-1 year -2 mons +3 days -04:05:06.78'", "'0'", "'-1-2'", "'-3 -04:05:06.7891'"},
		{"'0'", "'-0.01 s'", "'11 mons'", "'-23:00'"},
		{"'178956970 years 7 mons 2147483647 days 2562047788:00:54.775806'", "NULL", "NULL", "NULL"},
		{"'-178956970 years -7 mons -2147483647 days -2562047788:00:54.775807'", "NULL", "NULL", "NULL"},
		{"'1 mon -1 day'", "NULL", "NULL", "NULL"}, {"'-1 day +00:00:01'", "NULL", "NULL", "NULL"}, {"'-1 us'", "NULL", "NULL", "NULL"}, {"'1 day -1 us'", "NULL", "NULL", "NULL"},
	}},
	{name: "endless", since: 17, columns: same("interval", tellInterval, 1), rows: [][]string{{"'infinity'"}, {"'-infinity'"}}},
	{name: "bytes", columns: []column{{"bytea", tellBytes}, {"bit", ""}, {"bit(7)", ""}, {"varbit", ""}, {"varbit(70)", ""}}, rows: [][]string{
		{"''", "B'0'", "B'0000000'", "B''", "B''"},
		{`'\x00ff5c27'`, "B'1'", "B'1000001'", "B'101'", "repeat('10', 35)::varbit"},
		{"decode(repeat('00ff5c', 50000), 'hex')", "NULL", "B'0000001'", "repeat('1', 9000)::varbit", "B'1'"},
	}},
	{name: "networks", columns: []column{{"inet", tellOutput}, {"cidr", ""}, {"macaddr", ""}, {"macaddr8", ""}, {"pg_lsn", ""}, {"xid8", ""}, {"xid", ""}, {"regclass", ""}, {"tid", ""}}, rows: [][]string{
		{"'192.168.2.1/24'", "'10.0.0.0/8'", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:03:04:05'", "'16/B374D848'", "'18446744073709551615'", "'4294967295'", "'pg_class'", "'(0,1)'"},
		{"'::ffff:1.2.3.4'", "'2001:db8::/32'", "NULL", "NULL", "'0/0'", "NULL", "NULL", "'information_schema.tables'", "NULL"},
	}},
	{name: "shapes", columns: []column{{"point", ""}, {"line", ""}, {"lseg", ""}, {"box", ""}, {"path", ""}, {"polygon", ""}, {"circle", ""}, {"tsvector", ""}, {"tsquery", ""}, {"jsonpath", ""}, {"int2vector", ""}, {"oidvector", ""}}, rows: [][]string{
		{"'(0.1,-2e20)'", "'{1,2,3}'", "'[(0,0),(1,1)]'", "'(1,1),(0,0)'", "'[(0,0),(1,1)]'", "'((0,0),(1,1),(1,0))'", "'<(0,0),5>'", "'a:1A fat:2B,4C cat:5D'", "'fat & (rat | !cat)'", "'$.a[*] ? (@ > 1)'", "'1 2 3'", "'1 2'"},
	}},
	{name: "ranges", columns: []column{{"int4range", ""}, {"int8range", ""}, {"numrange", ""}, {"daterange", ""}, {"tsrange", ""}, {"tstzrange", ""}, {"int4multirange", ""}, {"tstzmultirange", ""}}, rows: [][]string{
		{"'[1,5]'", "'empty'", "'[1.10,)'", "'[2024-01-01,infinity]'", "'[\"2024-01-01 00:00\",)'", "'[\"2024-01-01 00:00+02\",)'", "'{[1,3),[7,9)}'", "'{[\"2024-01-01 00:00+02\",\"2024-01-02 00:00+02\")}'"},
		{"'(,)'", "'[1,2)'", "'(,1.5]'", "'empty'", "'(,)'", "'(,)'", "'{}'", "'{}'"},
	}},
	{name: "arrays", columns: []column{
		{"int4[]", tellNested}, {"text[]", tellNested}, {"int8[][]", tellNested}, {"box[]", elements("")}, {"bool[]", elements("")}, {"numeric(10,2)[]", elements("")}, {"numeric[]", elements("")}, {"date[]", elements(tellDate)}, {"timestamptz(3)[]", elements(tellStamp)},
		{"interval[]", elements(tellInterval)}, {"money[]", elements(tellMoney)}, {"bytea[]", elements(tellBytes)}, {"float8[]", elements(tellFloat8)}, {"bit(3)[]", elements("")}, {"char(3)[]", elements(tellBlanks)}, {"timetz[]", elements(tellTimeTZ)},
		{"int4range[]", elements("")}, {"jsonb[]", elements("")}, {"inet[]", elements(tellOutput)}, {"uuid[]", elements("")}, {"int2vector[]", elements("")}, {"point[]", elements("")}, {"oid[]", elements("")}, {"name[]", elements("")}, {"varchar(5)[]", elements("")},
	}, rows: [][]string{
		{"'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'", "'{}'"},
		{"'{1,NULL,-3}'", `ARRAY['','NULL','null','a"b','a\b','a b','a,b','{','}',E'\n\t','é😀',NULL,' x ',';']`, "'{{1,2},{3,NULL}}'", "'{(1,1),(0,0);(2,2),(1,1)}'", "'{t,f,NULL}'", "'{1.5,NaN}'", "'{1,1.10,-Infinity}'", "'{infinity,0044-03-15 BC,5874897-12-31}'",
			"ARRAY['2024-01-01 00:00:00.1236+02','infinity',NULL]::timestamptz(3)[]", "ARRAY['1 mon -1 day','-00:00:01']::interval[]", "ARRAY[-1234.56,0]::money[]", `ARRAY['\x'::bytea,'\x5c22',NULL]`, "'{NaN,-0,5e-324}'", "'{101,000}'", "ARRAY['a ','abc']", "'{12:00+05:45}'",
			"ARRAY['[1,5)','empty']::int4range[]", `ARRAY['{"a": "b\"c,}"}','null']::jsonb[]`, "'{192.168.0.1/24,::1}'", "ARRAY['00000000-0000-0000-0000-000000000000']::uuid[]", "ARRAY['1 2 3','4']::int2vector[]", "ARRAY['(1,2)']::point[]", "'{4294967295}'", "'{A b,c}'", "'{abc,\"x y\"}'"},
		{"'[0:1][-2:-1]={{1,2},{3,4}}'", `ARRAY[ARRAY['a','b'],ARRAY[NULL,'"']]`, "'{{{{{{1}}}}}}'", "NULL", "NULL", "'[5:6]={1,2}'"},
		{"(SELECT array_agg(i) FROM generate_series(1,20000) i)", "(SELECT array_agg(repeat(E'\\\\\"', 20)) FROM generate_series(1,2000))"},
	}},
	{name: "hstores", setup: []string{"CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public"}, columns: []column{{"public.hstore", "public." + tellMap}, {"public.hstore[]", elements("public.hstore_to_jsonb($)")}}, rows: [][]string{
		{"''", "ARRAY[]::public.hstore[]"},
		{`'a=>1, c=>NULL, "a\"b"=>"\\", NULL=>"NULL", "k=>v"=>"x, y", ""=>""'`, `ARRAY['a=>"q\"{,}", b=>NULL', '', NULL]::public.hstore[]`},
		{"(SELECT public.hstore(array_agg('k' || i), array_agg(repeat('é\"', 50))) FROM generate_series(1,500) i)", "NULL"},
	}},
	{name: "own", setup: []string{
		`CREATE SCHEMA "Odd s"`, `CREATE TYPE mood AS ENUM ('happy', 'so so', 'it''s "bad"', 'größe')`, `CREATE TYPE "Odd s"."Pair of" AS (a int, "b c" text, d date[])`, "CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0)", "CREATE DOMAIN discount AS price",
		"CREATE DOMAIN prices AS numeric(10,2)[]", "CREATE DOMAIN code AS char(5)", "CREATE DOMAIN moods AS mood[]", "CREATE TYPE span AS RANGE (SUBTYPE = time)", "CREATE DOMAIN moment AS timestamptz(3)", "CREATE DOMAIN flag AS bit(3)",
	}, columns: []column{
		{"mood", ""}, {"mood[]", elements("")}, {`"Odd s"."Pair of"`, ""}, {`"Odd s"."Pair of"[]`, tellNested}, {"price", ""}, {"discount", ""}, {"price[]", elements("")}, {"prices", tellNested}, {"code", tellBlanks}, {"moods", tellNested}, {"span", ""},
		{"span_multirange", ""}, {"moment", tellStamp}, {"flag", ""}, {"information_schema.sql_identifier", ""}, {"prices[]", elements("to_jsonb(e::text[])")},
	}, rows: [][]string{
		{`'it''s "bad"'`, `ARRAY['happy','so so','it''s "bad"',NULL]::mood[]`, `ROW(1,'a "b", c','{2024-01-01}')::"Odd s"."Pair of"`, `ARRAY[ROW(1,'a "b"',NULL),NULL]::"Odd s"."Pair of"[]`, "1.5", "0.1", "'{1.5,NULL}'", "'{1.5,2}'", "'ab'", "'{happy}'", "'[10:00,11:00:00.5)'",
			"'{[10:00,11:00)}'", "'2024-01-01 00:00:00.1236+00'", "B'101'", "'x'", "'{\"{1.5,2}\",\"{}\"}'"},
		{"'größe'", "'{}'", "NULL", "NULL", "0", "NULL", "'{}'", "'{{1,2},{3,4}}'", "NULL", "'{{happy,größe},{happy,happy}}'::mood[]", "'empty'", "'{}'", "'infinity'", "NULL", "NULL", "NULL"},
	}},
	{name: "standins", setup: []string{
		"CREATE TYPE vector", "CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'textin'", "CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
		"CREATE FUNCTION vector_typmod_in(cstring[]) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'bittypmodin'", "CREATE FUNCTION vector_typmod_out(int) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'bittypmodout'",
		"CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, TYPMOD_IN = vector_typmod_in, TYPMOD_OUT = vector_typmod_out, LIKE = text)",
		"CREATE TYPE geometry", "CREATE FUNCTION geometry_in(cstring) RETURNS geometry LANGUAGE internal IMMUTABLE STRICT AS 'textin'", "CREATE FUNCTION geometry_out(geometry) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
		"CREATE TYPE geometry (INPUT = geometry_in, OUTPUT = geometry_out, LIKE = text, DELIMITER = ':')",
	}, columns: []column{{"vector(3)", ""}, {"vector[]", elements("")}, {"geometry", ""}, {"geometry[]", elements("")}}, rows: [][]string{
		{"'[1,2.5,-3e-05]'", "ARRAY['[1]'::vector,'[1,2]',NULL]", "'0101000020E6100000000000000000F03F0000000000000040'", "ARRAY['0020000001000010E63FF00000000000004000000000000000'::geometry,'010700000000000000']"},
		{"'[0,-1,3.4028235e+38]'", "'{}'", "'010700000000000000'", "'{}'"},
	}},
	random,
}
