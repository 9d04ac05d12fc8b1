package mysqlsource

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// mariaType is a column type of MariaDB with values. shown is how SELECT shows what render makes of a value; "" is the column.
type mariaType struct {
	sql, shown string
	values     []string
}

const (
	asHex   = "HEX(c)"
	asBits  = "CAST(c+0 AS UNSIGNED)"
	asFloat = "c+0e0"
	asWKB   = "CONCAT(ST_SRID(c),' ',HEX(ST_AsWKB(c)))"
)

// mariaTypeValues are all types of MariaDB, and the values that stand at their edges.
func mariaTypeValues(version string) []mariaType {
	long := func(n int) string { return fmt.Sprintf("REPEAT('äb🙂x',%d)", n) }
	texts := []string{"''", "'a'", "' a '", "'ä🙂'", long(3)}
	many := []string{"''", "'a'", "'short'", long(50), long(4000), long(15000), "REPEAT('0',60000)"}
	blobs := []string{"''", "x'00'", "x'00ff00'", "REPEAT(x'0001020304',200)", "REPEAT(x'00ff',30000)", "RANDOM_BYTES(900)"}
	inet6 := []string{"'::'", "'::1'", "'fe80::'", "'2001:db8::1:0:0:1'", "'1:0:0:2:0:0:0:3'", "'::ffff:1.2.3.4'", "'::1.2.3.4'", "'0:1::'", "'1:2:3:4:5:6:7:8'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'"}
	uuids := []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "UUID()", "'e1c37e5d-e961-41f1-b1e4-02fc00000001'", "'018f3c5e-7b1a-7c3d-8e4f-0123456789ab'", "'12345678-9abc-0def-0123-456789abcd00'"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		words := make([]string, 8)
		for i := range words {
			words[i] = strconv.FormatUint(r.Uint64()&0xffff>>(r.UintN(2)*16), 16)
		}
		inet6 = append(inet6, "'"+strings.Join(words, ":")+"'")
		uuids = append(uuids, fmt.Sprintf("'%08x-%04x-%04x-%04x-%012x'", r.Uint32(), r.UintN(1<<16), r.UintN(1<<16), r.UintN(1<<16), r.Uint64N(1<<48)))
	}
	all := []mariaType{
		{"UUID", "", uuids}, {"INET6", "", inet6}, {"INET4", "", []string{"'0.0.0.0'", "'1.2.3.0'", "'255.255.255.255'", "'10.0.0.1'"}},
		{"BINARY(16)", asHex, append(blobs[:3:3], "x'e1c37e5de96111f1b1e402fc00000001'")}, {"BINARY(4)", asHex, blobs[:3]}, {"VARBINARY(16)", asHex, blobs[:3]},
		{"VARCHAR(60) COMPRESSED", "", texts}, {"VARCHAR(16000) COMPRESSED", "", many[:6]}, {"VARBINARY(60000) COMPRESSED", asHex, blobs}, {"TINYTEXT COMPRESSED", "", texts}, {"TEXT COMPRESSED", "", many},
		{"MEDIUMTEXT COMPRESSED", "", append(many, "REPEAT('z',2000000)")}, {"LONGTEXT COMPRESSED CHARACTER SET latin1", "", []string{"'ä'", "REPEAT('äö',5000)"}}, {"BLOB COMPRESSED", asHex, blobs}, {"LONGBLOB COMPRESSED", asHex, blobs},
		{"VARCHAR(300) COMPRESSED CHARACTER SET ucs2", "", texts},
		{"TINYINT", "", []string{"-128", "0", "127"}}, {"TINYINT UNSIGNED", "", []string{"0", "255"}}, {"SMALLINT", "", []string{"-32768", "1"}}, {"MEDIUMINT", "", []string{"-8388608", "8388607"}}, {"MEDIUMINT UNSIGNED", "", []string{"16777215"}},
		{"INT", "", []string{"-2147483648", "0"}}, {"INT UNSIGNED", "", []string{"4294967295"}}, {"BIGINT", "", []string{"-9223372036854775808"}}, {"BIGINT UNSIGNED", "", []string{"18446744073709551615"}}, {"BOOLEAN", "", []string{"0", "1"}},
		{"DECIMAL(65,30)", "", []string{"0", "-99999999999999999999999999999999999.999999999999999999999999999999", "1.5"}}, {"DECIMAL(10,0) UNSIGNED", "", []string{"9999999999", "0"}}, {"DECIMAL(9,9)", "", []string{"0.123456789", "-0.1"}},
		{"FLOAT", asFloat, []string{"0", "1.1", "-3.4028234e38", "1e-30"}}, {"DOUBLE", asFloat, []string{"0", "1.1", "-1.7976931348623157e308", "4.9e-300"}}, {"FLOAT UNSIGNED", asFloat, []string{"1.5"}},
		{"BIT(1)", asBits, []string{"0", "1"}}, {"BIT(33)", asBits, []string{"0", "8589934591"}}, {"BIT(64)", asBits, []string{"18446744073709551615"}},
		{"YEAR", "", []string{"1901", "2155", "0"}}, {"DATE", "", []string{"'0000-00-00'", "'2024-02-29'", "'9999-12-31'", "'2020-00-00'"}},
		{"TIME", "", []string{"'-838:59:59'", "'00:00:00'", "'838:59:59'"}}, {"TIME(6)", "", []string{"'-00:00:00.000001'", "'838:59:59.999999'", "'12:34:56.5'"}}, {"TIME(3)", "", []string{"'-1:00:00.125'"}},
		{"DATETIME", "", []string{"'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2020-01-02 03:04:05'"}}, {"DATETIME(6)", "", []string{"'2020-01-02 03:04:05.000006'"}}, {"DATETIME(1)", "", []string{"'2020-01-02 03:04:05.7'"}},
		{"TIMESTAMP NULL", "", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "0"}}, {"TIMESTAMP(6) NULL", "", []string{"'2020-01-02 03:04:05.000006'"}}, {"TIMESTAMP(3) NULL", "", []string{"'2020-01-02 03:04:05.006'"}},
		{"CHAR(10)", "", texts[:4]}, {"CHAR(200) CHARACTER SET utf8mb3", "", []string{"''", "'ä b'"}}, {"VARCHAR(300)", "", texts}, {"VARCHAR(20) COLLATE utf8mb4_bin", "", texts[:4]}, {"VARCHAR(20) COLLATE utf8mb4_nopad_bin", "", texts[:4]},
		{"VARCHAR(20) COLLATE utf8mb3_uca1400_ai_ci", "", []string{"'ä'"}}, {"VARCHAR(20) COLLATE utf8mb4_uca1400_swedish_as_cs", "", texts[:4]}, {"VARCHAR(20) COLLATE ucs2_uca1400_ai_ci", "", []string{"'ä'"}}, {"VARCHAR(20) COLLATE utf16_unicode_nopad_ci", "", texts[:4]},
		{"VARCHAR(20) COLLATE utf32_uca1400_nopad_as_ci", "", texts[:4]}, {"VARCHAR(20) COLLATE latin1_swedish_nopad_ci", "", []string{"'ä€'"}}, {"VARCHAR(20) COLLATE sjis_japanese_nopad_ci", "", []string{"'漢字'"}}, {"VARCHAR(20) COLLATE utf8mb4_croatian_mysql561_ci", "", texts[:4]},
		{"TINYTEXT", "", texts}, {"TEXT", "", many}, {"MEDIUMTEXT", "", many}, {"LONGTEXT", "", many}, {"TINYBLOB", asHex, blobs[:3]}, {"BLOB", asHex, blobs}, {"LONGBLOB", asHex, blobs},
		{"JSON", "", []string{"'{}'", "'[1, 2.50,\"x\"]'", "'{\"b\":1, \"a\":\"ä\"}'"}}, {"ENUM('a','ä','🙂')", "", []string{"'a'", "'ä'", "'🙂'"}}, {"SET('a','b','ü')", "", []string{"''", "'a,ü'", "'b'"}}, {"ENUM('x','ä') CHARACTER SET latin1", "", []string{"'ä'"}},
		{"GEOMETRY", asWKB, []string{"POINT(1,2)", "ST_GeomFromText('LINESTRING(0 0,1 1)',4326)"}}, {"POINT", asWKB, []string{"POINT(1.5,-2)"}}, {"POLYGON", asWKB, []string{"ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"}},
		{"INT AS (id+1) STORED", "", []string{"DEFAULT"}}, {"INT AS (id+1) VIRTUAL", "", []string{"DEFAULT"}}, {"VARCHAR(9) INVISIBLE", "", []string{"'x'"}},
	}
	if version == "maria118" {
		all = append(all, mariaType{"VECTOR(3)", asHex, []string{"VEC_FromText('[1,2.5,-3]')"}}, mariaType{"TIMESTAMP(6) NULL", "", []string{"'2106-02-07 06:28:15.5'"}})
	}
	return all
}

// TestMariaDBTypes compares what the log shows of every type with what SELECT shows.
func TestMariaDBTypes(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]servers.MySQLOptions{
		"maria1011": {Version: "maria1011", Extra: []string{"--column-compression-zlib-wrap=ON"}}, "maria118": {Version: "maria118", Extra: []string{"--column-compression-threshold=10"}},
		"maria1011 NO_LOG": {Version: "maria1011", Metadata: "NO_LOG", Extra: []string{"--log-bin-compress=ON"}}, "maria118 MINIMAL": {Version: "maria118", Metadata: "MINIMAL"},
	} {
		o.Extra = append(o.Extra, "--max-allowed-packet=64M")
		t.Run(name, func(t *testing.T) {
			b := newBench(t, o)
			types := mariaTypeValues(o.Version)
			want := map[string][]string{}
			for i, typ := range types {
				table := fmt.Sprintf("t%d", i)
				statements := []string{"SET NAMES utf8mb4, time_zone='+00:00', sql_mode='', character_set_collations=''"}
				if o.Version == "maria1011" {
					statements[0] = "SET NAMES utf8mb4, time_zone='+00:00', sql_mode=''"
				}
				statements = append(statements, "CREATE TABLE "+table+" (id INT PRIMARY KEY, c "+typ.sql+") DEFAULT CHARSET utf8mb4")
				if !strings.Contains(typ.sql, " AS (") {
					statements = append(statements, "INSERT INTO "+table+" (id, c) VALUES (0,NULL)")
				}
				for j, v := range typ.values {
					statements = append(statements, fmt.Sprintf("INSERT INTO %s (id, c) VALUES (%d,%s)", table, j+1, v))
				}
				b.session(statements...)
				shown := typ.shown
				if shown == "" {
					shown = "CONVERT(c USING utf8mb4)"
				}
				want[table] = b.column("SELECT IFNULL(" + shown + ",'NULL') FROM " + table + " ORDER BY id")
			}
			b.exec("CREATE TABLE done (id INT PRIMARY KEY)", "INSERT INTO done VALUES (1)")
			got := map[string][]string{}
			cfg := b.config()
			src, _, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := eachBatch(t, src, func(batch *changelog.Batch) bool {
				for _, run := range batch.Runs {
					for _, c := range batch.Changes[run.From:run.To] {
						if run.Table.Name == "done" {
							return true
						}
						got[run.Table.Name] = append(got[run.Table.Name], asSelected(run.Table.Columns[1].Type, c.After[1]))
					}
				}
				return false
			}); err != nil {
				t.Fatal(err)
			}
			for i, typ := range types {
				table := fmt.Sprintf("t%d", i)
				if len(got[table]) != len(want[table]) {
					t.Errorf("%s: %d rows, want %d", typ.sql, len(got[table]), len(want[table]))
					continue
				}
				for j, w := range want[table] {
					if g := got[table][j]; g != w && !sameFloat(typ, g, w) {
						t.Errorf("%s, row %d: %.200q, SELECT shows %.200q", typ.sql, j, g, w)
					}
				}
			}
		})
	}
}

func sameFloat(typ mariaType, got, want string) bool {
	if typ.shown != asFloat {
		return false
	}
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	return err1 == nil && err2 == nil && g == w
}

// asSelected renders a value as the SELECT of its type does.
func asSelected(typ changelog.Type, v changelog.Value) string {
	civil := func(format int, micros bool) string {
		c := v.Civil()
		s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second, c.Micro)
		if !micros {
			return s[:format]
		}
		return s[:len("2006-01-02 15:04:05.")+typ.FSP-boolInt(typ.FSP == 0)]
	}
	switch v.Kind() {
	case changelog.KindNull:
		return "NULL"
	case changelog.KindInt:
		if typ.Year {
			return fmt.Sprintf("%04d", v.Int())
		}
		return fmt.Sprint(v.Int())
	case changelog.KindUint, changelog.KindBits:
		return fmt.Sprint(v.Uint())
	case changelog.KindFloat32:
		return fmt.Sprint(float64(v.Float32()))
	case changelog.KindFloat64:
		return fmt.Sprint(v.Float64())
	case changelog.KindDate:
		return civil(len("2006-01-02"), false)
	case changelog.KindDateTime, changelog.KindTimestamp:
		return civil(0, true)
	case changelog.KindTime:
		n := v.Int()
		sign := ""
		if n < 0 {
			sign, n = "-", -n
		}
		s := fmt.Sprintf("%s%02d:%02d:%02d", sign, n/3_600_000_000, n/60_000_000%60, n/1_000_000%60)
		if typ.FSP > 0 {
			s += "." + fmt.Sprintf("%06d", n%1_000_000)[:typ.FSP]
		}
		return s
	case changelog.KindBytes, changelog.KindVector:
		return fmt.Sprintf("%X", v.Bytes())
	case changelog.KindGeometry:
		return fmt.Sprintf("%d %X", v.Uint(), v.Bytes())
	default:
		return string(v.Bytes())
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
