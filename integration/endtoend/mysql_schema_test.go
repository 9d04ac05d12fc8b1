package endtoend

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

func text(most int, alphabet string) func(*rand.Rand) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`)
	return func(r *rand.Rand) string { return "'" + quote.Replace(letters(r, most, alphabet)) + "'" }
}

func blob(most int) func(*rand.Rand) string {
	return func(r *rand.Rand) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if len(b) == 0 {
			return "''"
		}
		return fmt.Sprintf("x'%x'", b)
	}
}

const (
	latin = "abcXYZ äßé€'\"\\"
	ascii = "abcXYZ 0189'\"\\\n\t"
)

// everything has a column of each type that all servers have; all but the key may be NULL.
var everything = []recipe{
	{"ti", "TINYINT", number("-128", "127")}, {"tiu", "TINYINT UNSIGNED", number("0", "255")}, {"flag", "BOOLEAN", oneOf("TRUE", "FALSE")},
	{"si", "SMALLINT", number("-32768", "32767")}, {"siu", "SMALLINT UNSIGNED", number("0", "65535")},
	{"mi", "MEDIUMINT", number("-8388608", "8388607")}, {"miu", "MEDIUMINT UNSIGNED", number("0", "16777215")},
	{"i", "INT", number("-2147483648", "2147483647")}, {"iu", "INT UNSIGNED", number("0", "4294967295")},
	{"bi", "BIGINT", number("-9223372036854775808", "9223372036854775807")}, {"biu", "BIGINT UNSIGNED", number("0", "18446744073709551615")},
	{"f", "FLOAT", oneOf("0", "1.5", "-0.1", "3.4028234e38", "1e-20", "16777217")}, {"d", "DOUBLE", oneOf("0", "0.1", "-1e300", "5e-324", "1234567.891", "1e7")},
	{"de", "DECIMAL(10,2)", oneOf("0", "1", "12.30", "-99999999.99", "0.05", "-0.50")},
	{"dl", "DECIMAL(65,30)", oneOf("0", "12345678901234567890123456789012345.123456789012345678901234567890", "-0.000000000000000000000000000001")},
	{"d0", "DECIMAL(20,0)", oneOf("0", "-7", "99999999999999999999")},
	{"b1", "BIT(1)", oneOf("b'0'", "b'1'")}, {"b10", "BIT(10)", oneOf("b'0'", "b'1000000001'", "b'1111111111'")}, {"b64", "BIT(64)", oneOf("0", "18446744073709551615", "4294967296")},
	{"y", "YEAR", oneOf("1901", "2024", "2155", "0")},
	{"da", "DATE", temporal("D", 0)}, {"daz", "DATE", oneOf("'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'")},
	{"t0", "TIME", oneOf("'00:00:00'", "'-838:59:59'", "'838:59:59'", "'-00:00:01'", "'24:00:00'", "'07:08:09'")},
	{"t6", "TIME(6)", oneOf("'07:08:09.123456'", "'-00:00:00.000001'", "'-12:34:56.5'")}, {"t3", "TIME(3)", oneOf("'-01:02:03.120'", "'100:00:00.001'")},
	{"dt0", "DATETIME", temporal("D T", 0)}, {"dt3", "DATETIME(3)", temporal("D T", 3)}, {"dt6", "DATETIME(6)", temporal("D T", 6)},
	{"dtz", "DATETIME(3)", oneOf("'0000-00-00 00:00:00'", "'2024-00-10 01:02:03.5'", "'9999-12-31 23:59:59.999'")},
	{"ts0", "TIMESTAMP NULL", temporal("D T", 0)}, {"ts3", "TIMESTAMP(3) NULL", temporal("D T", 3)}, {"ts6", "TIMESTAMP(6) NULL", temporal("D T", 6)},
	{"c", "CHAR(10)", text(8, anyText)}, {"vc", "VARCHAR(300)", text(100, anyText)}, {"tt", "TINYTEXT", text(40, anyText)}, {"tx", "TEXT", text(500, anyText)},
	{"mt", "MEDIUMTEXT", text(800, anyText)}, {"lt", "LONGTEXT", text(900, anyText)},
	{"l1", "VARCHAR(50) CHARACTER SET latin1", text(40, latin)}, {"lc", "CHAR(20) CHARACTER SET latin1", text(20, "abcäöü")},
	{"gb", "VARCHAR(50) CHARACTER SET gbk", text(40, "abc漢字中文")}, {"u16", "VARCHAR(50) CHARACTER SET utf16", text(40, anyText)},
	{"asci", "VARCHAR(50) CHARACTER SET ascii", text(40, ascii)}, {"u3", "VARCHAR(50) CHARACTER SET utf8mb3", text(40, "abcäé€漢")},
	{"bin", "BINARY(6)", blob(6)}, {"vb", "VARBINARY(200)", blob(200)}, {"tb", "TINYBLOB", blob(100)}, {"bl", "BLOB", blob(600)}, {"mb", "MEDIUMBLOB", blob(700)}, {"lb", "LONGBLOB", blob(300)},
	{"en", "ENUM('new','paid','it''s, \"x\"','ä☃')", oneOf("'new'", "'paid'", "3", "'ä☃'")}, {"se", "SET('a','b','c','ü')", oneOf("''", "'a'", "'a,c'", "'b,c,ü'")},
	{"ge", "GEOMETRY", oneOf("ST_GeomFromText('LINESTRING(0 0,1 1,2 3)')", "ST_GeomFromText('POINT(10 20)',4326)")}, {"po", "POINT", oneOf("POINT(1.5,-2)", "POINT(0,0)")},
	{"gen", "INT GENERATED ALWAYS AS (i DIV 2) STORED", nil}, {"gev", "VARCHAR(30) GENERATED ALWAYS AS (CONCAT('v', si)) VIRTUAL", nil},
}

// Types that some servers have. JSON is a text in MariaDB, which keeps it as it was written.
var (
	mysqlJSON = recipe{"js", "JSON", oneOf(`'{"a":[1,2.5,null,true],"b":{"ä":"☃\\u0000"}}'`, `'[]'`, `'null'`, `'"text"'`, `CAST(1e20 AS JSON)`, `'{"k":-9223372036854775808,"u":18446744073709551615}'`,
		`JSON_OBJECT('d',DATE'2024-05-06','t',TIME'-12:34:56.123456','dt',TIMESTAMP'2024-05-06 07:08:09.5','n',CAST(12.30 AS DECIMAL(10,2)))`)}
	mariaJSON = recipe{"js", "JSON", oneOf(`'{"a":[1, 2.50,null,true],"b":{"ä":"☃\\u0000"}}'`, `'[]'`, `'null'`, `' "text"'`, `'{"k":1,"k":2}'`)}
	vector    = recipe{"ve", "VECTOR(3)", oneOf("STRING_TO_VECTOR('[1,2.5,-3]')", "STRING_TO_VECTOR('[0,0,0]')")}
	invisible = recipe{"inv", "INT INVISIBLE", number("-1", "5")}
	addresses = []recipe{
		{"uu", "UUID", oneOf("'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "'018f4e6a-7c3b-7a8e-9f00-0102030405ff'", "UUID()")},
		{"i6", "INET6", oneOf("'2001:db8::ff00:42:8329'", "'::'", "'::ffff:192.0.2.1'", "'fe80::1'")}, {"i4", "INET4", oneOf("'192.0.2.1'", "'0.0.0.0'", "'255.255.255.255'")},
	}
)

// everything has a column of each type that the server has.
func (m *mysqlDatabase) everything() []recipe {
	out, middle := slices.Clone(everything), len(everything)/2
	switch m.my.Version() {
	case "57":
		return append(out, mysqlJSON)
	case "80":
		return append(out, mysqlJSON, invisible)
	case "97":
		return append(slices.Insert(out, middle, vector), mysqlJSON, invisible)
	}
	return append(slices.Insert(out, middle, addresses...), mariaJSON, invisible)
}

// caseSensitive is a collation in which two names that are equal are the same bytes.
func (m *mysqlDatabase) caseSensitive() string {
	switch m.my.Version() {
	case "57", "maria1011":
		return "utf8mb4_bin"
	case "maria118":
		return "utf8mb4_uca1400_nopad_as_cs"
	}
	return "utf8mb4_0900_as_cs"
}

// schema returns the statements that create the database.
func (m *mysqlDatabase) schema() []string {
	db := m.name
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s.everything (id BIGINT NOT NULL", db)
	for _, c := range m.everything() {
		fmt.Fprintf(&b, ", %s %s", c.name, c.ddl)
	}
	b.WriteString(", PRIMARY KEY (id)) CHARACTER SET utf8mb4")
	return []string{
		"CREATE DATABASE " + db,
		b.String(),
		"CREATE TABLE " + db + `.orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, region BIGINT, status VARCHAR(16), note VARCHAR(64), sku VARCHAR(32), city VARCHAR(32),
			amount DECIMAL(10,2), qty INT, placed DATETIME(3), touched TIMESTAMP(3) NULL, flag TINYINT)`,
		"CREATE TABLE " + db + ".items (line SMALLINT UNSIGNED, note VARCHAR(40), code CHAR(6), order_id INT, price DECIMAL(12,4) NOT NULL, PRIMARY KEY (order_id, code, line))",
		"CREATE TABLE " + db + ".names (name VARCHAR(40) CHARACTER SET utf8mb4 COLLATE " + m.caseSensitive() + " PRIMARY KEY, v INT)",
		"CREATE TABLE " + db + ".uncaptured (id INT PRIMARY KEY, v INT)",
	}
}
