package endtoend

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

func pgText(most int, alphabet string) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		return "'" + strings.ReplaceAll(letters(r, most, alphabet), "'", "''") + "'"
	}
}

func pgBytes(most int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return fmt.Sprintf(`'\x%x'`, b)
	}
}

// pgEverything has a column of each type; all but the key may be NULL.
var pgEverything = []recipe{
	{"b", "boolean", oneOf("true", "false")},
	{"i2", "smallint", number("-32768", "32767")}, {"i4", "integer", number("-2147483648", "2147483647")},
	{"i8", "bigint", number("-9223372036854775808", "9223372036854775807")}, {"o", "oid", number("0", "4294967295")},
	{"f4", "real", oneOf("0", "1.5", "-0.1", "3.4028235e38", "1e-20", "16777217", "'NaN'", "'-Infinity'")},
	{"f8", "double precision", oneOf("0", "0.1", "-1e300", "5e-324", "1234567.891", "1e7", "'NaN'", "'Infinity'")},
	{"n10", "numeric(10,2)", oneOf("0", "1", "12.30", "-99999999.99", "0.05", "-0.50")},
	{"n60", "numeric(60,30)", oneOf("0", "123456789012345678901234567890.123456789012345678901234567890", "-0.000000000000000000000000000001")},
	{"n20", "numeric(20)", oneOf("0", "-7", "99999999999999999999")}, {"neg", "numeric(6,-2)", oneOf("0", "-100", "12345600", "99999900")},
	{"n", "numeric", oneOf("0", "10.1111", "1.10", "-1e40", "1e-40", "12345678901234567890123456789012345678901234567890.5", "100")},
	{"mo", "money", oneOf("0", "1234.11", "-0.05", "92233720368547758.07")},
	{"tx", "text", pgText(100, anyText)}, {"vc", "varchar(300)", pgText(60, anyText)}, {"vn", "varchar", pgText(30, anyText)},
	{"c10", "char(10)", pgText(8, anyText)}, {"nm", "name", pgText(15, "abcä_ X")}, {"ci", "citext", pgText(20, anyText)}, {"ch", `"char"`, oneOf("'a'", "'\"'", "''")},
	{"by", "bytea", pgBytes(200)},
	{"b1", "bit(1)", oneOf("B'0'", "B'1'")}, {"b10", "bit(10)", oneOf("B'0000000000'", "B'1000000001'", "B'0110000000'")},
	{"b70", "bit(70)", oneOf("repeat('10', 35)::bit(70)", "repeat('0', 70)::bit(70)")}, {"vb", "varbit", oneOf("B''", "B'101'", "B'0001'", "B'111111111'")}, {"vb9", "varbit(9)", oneOf("B'1'", "B'000000001'")},
	{"da", "date", temporal("D", 0)}, {"dz", "date", oneOf("'infinity'", "'-infinity'", "'0001-01-01'", "'9999-12-31'")},
	{"t", "time", oneOf("'00:00:00'", "'24:00:00'", "'07:08:09.123456'", "'23:59:59.9'")}, {"t0", "time(0)", oneOf("'07:08:09'", "'24:00:00'")}, {"t3", "time(3)", oneOf("'07:08:09.12'", "'00:00:00.001'")},
	{"tz", "timetz", oneOf("'07:08:09.123456+05:30'", "'23:30:00-08'", "'12:00:00+00'")},
	{"ts0", "timestamp(0)", temporal("D T", 0)}, {"ts3", "timestamp(3)", temporal("D T", 3)}, {"ts", "timestamp", temporal("D T", 6)},
	{"tsz", "timestamp", oneOf("'infinity'", "'-infinity'", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'")},
	{"at0", "timestamptz(0)", temporal("D T+02", 0)}, {"at3", "timestamptz(3)", temporal("D T-05:30", 3)}, {"at", "timestamptz", temporal("D T+00", 6)},
	{"atz", "timestamptz", oneOf("'infinity'", "'-infinity'", "'1000-01-01 00:00:00.5+00'")},
	{"iv", "interval", oneOf("'0'", "'1 year 2 mons 3 days 04:05:06.78'", "'-1 mon +3 days -00:00:00.5'", "'-25:00:01'", "'00:00:00.000001'")},
	{"u", "uuid", oneOf("'00000000-0000-0000-0000-000000000000'", "'C0FFEE00-1234-5678-9abc-def012345678'")},
	{"js", "json", oneOf(`'{"a" : [1,2.50, null,true],"a":"ä☃\u2028"}'`, `'[]'`, `'null'`, `'"text"'`, `'1e400'`)},
	{"jb", "jsonb", oneOf(`'{"b":1,"a":[1.50,{"c":"☃\n"}]}'`, `'"x"'`, `'12345678901234567890.10'`, `'{}'`)},
	{"xm", "xml", oneOf("'<a b=\"c\">ä&amp;</a>'", "'<x/>'")},
	{"ip", "inet", oneOf("'192.168.2.1/12'", "'::1'", "'10.0.0.1'")}, {"cd", "cidr", oneOf("'10.0.0.0/8'", "'2001:db8::/32'")},
	{"ma", "macaddr", oneOf("'08:00:2b:01:02:03'")}, {"m8", "macaddr8", oneOf("'08:00:2b:01:02:03:04:05'")},
	{"md", "app.mood", oneOf("'sad'", "'it''s, \"ok\"'", "'☃'")}, {"dm", "app.price", oneOf("0", "12.30", "-9.99")}, {"dt", "app.word", pgText(10, "abc ä")},
	{"co", "app.pair", oneOf("ROW(1, 'a b')", "ROW(NULL, '(\"x\",)')", "ROW(2, NULL)")},
	{"ai", "integer[]", oneOf("'{}'", "'{1,NULL,-3}'", "'{2147483647}'")}, {"a2", "integer[]", oneOf("'{{1,2},{3,4}}'", "'{7}'")},
	{"as", "text[]", oneOf(`ARRAY['a,b', NULL, 'NULL', '', 'q"\\']`, "ARRAY['ä☃']", "'{}'")}, {"an", "numeric(8,2)[]", oneOf("'{1.5,-2}'", "'{NULL}'")},
	{"aa", "timestamptz[]", oneOf("'{2024-05-06 07:08:09.12+02,infinity}'")}, {"ab", "boolean[]", oneOf("'{t,f,NULL}'")}, {"ae", "app.mood[]", oneOf("'{sad,☃}'")}, {"au", "uuid[]", oneOf("'{00000000-0000-0000-0000-000000000001}'")},
	{"ax", "bytea[]", oneOf(`ARRAY['\x00ff'::bytea, ''::bytea]`)}, {"ad", "date[]", oneOf("'{2024-05-06,NULL}'")},
	{"ri", "int4range", oneOf("'[1,6)'", "'empty'", "'(,5)'")}, {"rn", "numrange", oneOf("'[1.10,2.20]'")}, {"rt", "tsrange", oneOf("'[2019-03-31 15:30:00,infinity)'")},
	{"rz", "tstzrange", oneOf("'[2019-03-31 15:30:00+02,)'")}, {"mr", "int4multirange", oneOf("'{[1,3),[7,9)}'", "'{}'")},
	{"hs", "hstore", oneOf(`'a=>1, b=>NULL, "c d"=>"x\"y"'`, "''", `'☃=>ä'`)}, {"lt", "ltree", oneOf("'Top.A'", "''")},
	{"tv", "tsvector", oneOf("'fat:2,4 cat:3 \"a b\":1A'::tsvector", "''")}, {"tq", "tsquery", oneOf("'fat & (rat | cat)'")},
	{"po", "point", oneOf("'(1.5,-2)'", "'(0,1e20)'")}, {"bx", "box", oneOf("'((1,2),(3,4))'")}, {"ci2", "circle", oneOf("'<(1,2),3.5>'")}, {"py", "polygon", oneOf("'((0,0),(1,1),(2,0))'")},
	{"ls", "pg_lsn", oneOf("'16/B374D848'")}, {"sn", "pg_snapshot", oneOf("'10:20:10,14,15'")},
	{"gen", "integer GENERATED ALWAYS AS (i4 / 2) STORED", nil},
}

// toasted is a document that does not fit into a row, or one that does. Compressed it is hardly smaller.
func toasted(r *rand.Rand) string {
	return fmt.Sprintf("(SELECT string_agg(md5('%d ' || g), ' ') FROM generate_series(1, %d) g)", r.IntN(1_000_000), []int{3, 100, 600}[r.IntN(3)])
}

// The names of schemas and tables that need quotes, as SQL quotes them.
const (
	pgOddSchema = `Odd "Schema" ä`
	pgOddTable  = `naïve.Names "x"`
)

func pgName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// pgSchema is what makes the test schema in an empty database.
func pgSchema() []string {
	var all strings.Builder
	all.WriteString("CREATE TABLE app.everything (id bigint PRIMARY KEY")
	for _, c := range pgEverything {
		fmt.Fprintf(&all, ", %s %s", pgName(c.name), c.ddl)
	}
	// Rows stay whole up to 8 kB: what an update of a row does not touch is in the log.
	all.WriteString(") WITH (toast_tuple_target = 8160)")
	odd := pgName(pgOddSchema) + "." + pgName(pgOddTable)
	return []string{
		"CREATE EXTENSION hstore", "CREATE EXTENSION ltree", "CREATE EXTENSION citext",
		"CREATE SCHEMA app", "CREATE SCHEMA sales", "CREATE SCHEMA " + pgName(pgOddSchema),
		`CREATE TYPE app.mood AS ENUM ('sad', 'it''s, "ok"', '☃')`, "CREATE DOMAIN app.price AS numeric(6,2)", "CREATE DOMAIN app.word AS varchar(20)", "CREATE TYPE app.pair AS (n int, w text)",
		all.String(),
		`CREATE TABLE app.orders (id bigint PRIMARY KEY, customer bigint NOT NULL, region bigint, status varchar(16), note varchar(64), amount numeric(10,2), qty int, placed timestamptz(3), flag boolean)`,
		"ALTER TABLE app.orders REPLICA IDENTITY FULL",
		"CREATE TABLE sales.orders (line smallint, note varchar(40), code char(6), order_id int, price numeric(12,4) NOT NULL, PRIMARY KEY (order_id, code, line))",
		"CREATE TABLE " + odd + ` (v int, "Näme ""q""" text PRIMARY KEY)`,
		"CREATE TABLE app.measures (v text, what numeric, kind app.mood, at timestamptz, PRIMARY KEY (at, what, kind))",
		"CREATE TABLE app.parted (id int, region text, v int, PRIMARY KEY (region, id)) PARTITION BY LIST (region)",
		"CREATE TABLE app.parted_eu PARTITION OF app.parted FOR VALUES IN ('de', 'fr') PARTITION BY HASH (id)",
		"CREATE TABLE app.parted_eu0 PARTITION OF app.parted_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
		"CREATE TABLE sales.parted_eu1 PARTITION OF app.parted_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
		"CREATE TABLE app.parted_rest PARTITION OF app.parted DEFAULT",
		"CREATE TABLE app.documents (id int PRIMARY KEY, body text, title text, other text)",
		"ALTER TABLE app.documents REPLICA IDENTITY FULL",
		"CREATE TABLE app.letters (id int PRIMARY KEY, body text, title text, other text)", // the log lacks what an update leaves
		"CREATE TABLE app.uncaptured (id int PRIMARY KEY, v int)",
	}
}

// pgTables are the captured ones.
var pgTables = []table{
	{"app", "everything"}, {"app", "orders"}, {"sales", "orders"}, {pgOddSchema, pgOddTable}, {"app", "measures"}, {"app", "parted"}, {"app", "documents"}, {"app", "letters"},
}
