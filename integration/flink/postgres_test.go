package flink

import (
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"cdcbridge/integration/postgrestypes"
)

// postgresTypes is the database "types" with the tables of package postgrestypes.
type postgresTypes struct {
	db *sql.DB
}

// lastDate is the last one that Flink can show: it adds a number to Julian days that overflows for the 87 years after it.
const lastDate = "5874810-09-08"

// newPostgresTypes makes and fills the tables. Flink's ARRAY has one dimension, so arrays of several are set to NULL, and its dates
// end before PostgreSQL's: what Flink makes of those is in testUnreadable.
func newPostgresTypes(t *testing.T, g *rig) *postgresTypes {
	t.Helper()
	db, err := g.pg.DB("types")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1) // one session has all settings
	p := &postgresTypes{db}
	p.exec(t, "SET datestyle = ISO", "SET intervalstyle = postgres", "SET timezone = UTC", "SET extra_float_digits = 3", "SET lc_monetary = 'C'")
	p.exec(t, "SELECT setseed(0.25)") // the table of the documentation must not depend on luck
	for _, table := range postgrestypes.Tables() {
		p.exec(t, append(table.Create, table.Insert...)...)
		for _, c := range p.columns(t, table.Name) {
			if strings.HasSuffix(c.base, "[]") {
				p.exec(t, fmt.Sprintf("UPDATE %s SET %s = NULL WHERE array_ndims(%[2]s) > 1", table.Name, c.name))
			}
		}
	}
	p.exec(t, "UPDATE times SET c0 = '"+lastDate+"' WHERE c0 > '"+lastDate+"' AND isfinite(c0)", "UPDATE arrays SET c7 = array_replace(c7, '5874897-12-31', '"+lastDate+"')",
		"CREATE TABLE done (id int PRIMARY KEY)")
	return p
}

func (p *postgresTypes) exec(t *testing.T, all ...string) {
	t.Helper()
	for _, s := range all {
		if _, err := p.db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
}

func (p *postgresTypes) prefix() string           { return "pg" }
func (p *postgresTypes) full(table string) string { return "public." + table }
func (p *postgresTypes) title() string            { return "PostgreSQL 18" }
func (p *postgresTypes) quote(name string) string { return name }

func (p *postgresTypes) config(g *rig) string {
	return fmt.Sprintf("source: {type: postgres, host: %s, port: %d, database: types, user: %s, password: %s, tables: [public.*]}", g.pg.Host(), g.pg.Port(), g.pg.User(), g.pg.Password())
}

// change has every row updated, some moved to other keys, and a random one deleted.
func (p *postgresTypes) change(t *testing.T) {
	t.Helper()
	for _, table := range p.tables() {
		p.exec(t, "UPDATE "+table+" SET id = id", "UPDATE "+table+" SET id = id + 1000 WHERE id % 2 = 0", "DELETE FROM "+table+" WHERE id = 149")
	}
	p.exec(t, "INSERT INTO done VALUES (1)")
}

func (p *postgresTypes) tables() []string {
	var out []string
	for _, t := range postgrestypes.Tables() {
		out = append(out, t.Name)
	}
	return out
}

// columns asks for the type beneath a domain, and for the name of the type beneath the elements of an array.
func (p *postgresTypes) columns(t *testing.T, table string) []column {
	t.Helper()
	rows, err := query(t.Context(), p.db, `WITH RECURSIVE bottom (num, name, typ, modifier) AS (
  SELECT attnum, attname::text, atttypid, atttypmod FROM pg_attribute WHERE attrelid = 'public.`+table+`'::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT num, name, typbasetype, typtypmod FROM bottom JOIN pg_type t ON t.oid = typ WHERE typtype = 'd')
SELECT name, format_type(typ, modifier) FROM bottom b JOIN pg_type t ON t.oid = typ WHERE typtype <> 'd' ORDER BY num`)
	if err != nil {
		t.Fatal(err)
	}
	var out []column
	for _, r := range rows {
		base := *r[1]
		if under, ok := map[string]string{"price[]": "numeric(10,2)[]", "prices[]": "numeric(10,2)[][]"}[base]; ok {
			base = under // elements that are domains
		}
		out = append(out, column{*r[0], *r[1], base})
	}
	return out
}

func (p *postgresTypes) rows(t *testing.T, table string, tell []string) [][]*string {
	t.Helper()
	out, err := query(t.Context(), p.db, "SELECT "+strings.Join(tell, ", ")+" FROM "+table+" ORDER BY "+table+".id")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// element is the type of an array's elements, "" for other types.
func element(base string) string {
	if e, ok := strings.CutSuffix(base, "[]"); ok {
		return e
	}
	return ""
}

func (p *postgresTypes) leaf(c *column) *column {
	for e := element(c.base); e != ""; e = element(e) {
		c = &column{base: e}
	}
	return c
}

const tellOutput = "CASE WHEN $ IS DISTINCT FROM NULL THEN format('%s', $) END" // a cast to text is not always the output: it drops a mask, or blanks

func (p *postgresTypes) tell(c *column, flink, format string) string {
	canal := format == "canal-json"
	switch {
	case strings.HasPrefix(flink, "ARRAY<") && element(c.base) != "":
		one := p.tell(&column{base: element(c.base)}, inner(flink), format)
		n := fmt.Sprintf("n%d", len(c.base)) // of its own for each dimension
		return "CASE WHEN $ IS NULL THEN NULL ELSE CASE WHEN array_lower($, 1) <> 1 THEN '!' ELSE '' END || coalesce((SELECT json_agg(" + strings.ReplaceAll(one, "$", "($)["+n+"]") + " ORDER BY " + n + ") FROM generate_subscripts($, 1) " + n + "), '[]')::text END"
	case strings.HasPrefix(flink, "MAP<"):
		return "public.hstore_to_jsonb($)::text"
	case c.base == "money" && !strings.HasPrefix(flink, "ARRAY"):
		return "$::numeric(22,2)::text"
	case c.base == "bytea":
		return "encode($, 'hex')"
	case strings.HasPrefix(c.base, "interval") && element(c.base) == "" && !canal:
		return tellInterval
	case zonedTime(c.base) && format == "debezium-json":
		return "CASE WHEN $ IS NOT NULL THEN format('%s%s', $ AT TIME ZONE 'UTC', CASE WHEN extract(timezone FROM $) <> 0 THEN '!' ELSE '' END) END"
	case c.base == "money[]":
		return "CASE WHEN $ IS NOT NULL THEN format('%s', $::numeric(22,2)[]) END"
	}
	return tellOutput
}

// tellInterval is months, days and microseconds.
const tellInterval = "CASE WHEN isfinite($) THEN (extract(year FROM $) * 12 + extract(month FROM $))::int8 || ' ' || extract(day FROM $)::int8 || ' ' ||" +
	" (extract(hour FROM $) * 3600000000 + extract(minute FROM $) * 60000000 + extract(microseconds FROM $))::int8 ELSE $::text END"

func (p *postgresTypes) want(c *column, flink, format, text string) (string, error) {
	switch {
	case strings.HasPrefix(flink, "ARRAY<") && (c.base == "vector" || strings.HasPrefix(c.base, "vector(")):
		return vector(text)
	case strings.HasPrefix(flink, "ARRAY<"):
		counted, odd := strings.CutPrefix(text, "!")
		out, err := p.array(c, flink, format, counted)
		if odd {
			out = "!" + out
		}
		return out, err
	case strings.HasPrefix(flink, "MAP<"):
		var m map[string]*string
		err := json.Unmarshal([]byte(text), &m)
		return canonicalMap(m), err
	case strings.HasPrefix(flink, "ROW"):
		return p.shape(c, text)
	case flink == "BYTES" && strings.HasPrefix(c.base, "bit"):
		if strings.HasPrefix(c.base, "bit varying") && strings.HasPrefix(text, "0") {
			return "zeros" + bitBytes(text, 0), nil
		}
		return bitBytes(text, 0), nil
	case flink == "BOOLEAN" && strings.HasPrefix(c.base, "bit"):
		return map[string]string{"0": "false", "1": "true"}[text], nil
	case flink == "BOOLEAN":
		return map[string]string{"f": "false", "t": "true"}[text], nil
	case zonedTime(c.base):
		clock, moved := strings.CutSuffix(text, "!")
		out, err := zoned(clock)
		if moved {
			out += "!"
		}
		return out, err
	case flink == "STRING" && strings.HasPrefix(c.base, "time") && element(c.base) == "":
		return moment(text), nil
	case flink == "STRING" && strings.HasPrefix(c.base, "interval") && strings.HasPrefix(strings.TrimPrefix(text, "-"), "P"):
		return isoInterval(text)
	}
	return scalar(flink, text)
}

func (p *postgresTypes) array(c *column, flink, format, text string) (string, error) {
	elem := &column{base: element(c.base)}
	if elem.base == "" {
		elem.base = strings.TrimSuffix(c.base, "vector") // int2vector
	}
	var elems []json.RawMessage
	if err := json.Unmarshal([]byte(text), &elems); err != nil {
		return "", err
	}
	return each(elems, func(_ int, e json.RawMessage) (string, error) {
		var s *string
		if err := json.Unmarshal(e, &s); err != nil {
			return "", err
		}
		if s == nil {
			return null, nil
		}
		return p.want(elem, inner(flink), format, *s)
	})
}

// zonedTime tells timetz, of which debezium-json has the instant only.
func zonedTime(base string) bool {
	return strings.HasPrefix(base, "time") && strings.HasSuffix(base, "with time zone") && !strings.HasPrefix(base, "timestamp")
}

var zonedPattern = regexp.MustCompile(`^(\d\d:\d\d:\d\d)(?:\.(\d+?)0*)?(?:Z|([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)$`)

// zoned is a time of day with its offset, whatever parts of both are 0.
func zoned(text string) (string, error) {
	m := zonedPattern.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("no time with a zone: %s", text)
	}
	for i, part := range m {
		if i > 1 && strings.Trim(part, "0") == "" {
			m[i] = ""
		}
	}
	if m[4]+m[5]+m[6] == "" {
		m[3] = ""
	}
	return strings.Join(m[1:], " "), nil
}

func vector(text string) (string, error) {
	var floats []json.Number
	if err := json.Unmarshal([]byte(text), &floats); err != nil {
		return "", err
	}
	return each(floats, func(_ int, n json.Number) (string, error) { return scalar("FLOAT", n.String()) })
}

// shape takes the text of a point, or the hexadecimal EWKB of PostGIS, which Debezium tells apart into WKB and SRID.
func (p *postgresTypes) shape(c *column, text string) (string, error) {
	if c.base == "point" {
		var x, y float64
		if _, err := fmt.Sscanf(text, "(%g,%g)", &x, &y); err != nil {
			return "", err
		}
		b := append([]byte{1}, 1, 0, 0, 0)
		b, err := binary.Append(b, binary.LittleEndian, []float64{x, y})
		if err != nil {
			return "", err
		}
		return shape(true, b, null)
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) < 9 {
		return "", fmt.Errorf("no EWKB: %w", err)
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 1 {
		order = binary.LittleEndian
	}
	srid := null
	if order.Uint32(b[1:])&0x20000000 != 0 {
		srid = fmt.Sprint(order.Uint32(b[5:]))
		order.PutUint32(b[1:], order.Uint32(b[1:])&^0x20000000)
		b = append(b[:5], b[9:]...)
	}
	return shape(false, b, srid)
}

// isoInterval brings an interval in ISO 8601 with signs to the form of tellInterval.
func isoInterval(text string) (string, error) {
	var months, days, micros int64
	date, clock, _ := strings.Cut(strings.TrimPrefix(text, "P"), "T")
	for _, part := range []struct {
		text  string
		units map[byte]*int64
		by    map[byte]int64
	}{
		{date, map[byte]*int64{'Y': &months, 'M': &months, 'D': &days}, map[byte]int64{'Y': 12, 'M': 1, 'D': 1}},
		{clock, map[byte]*int64{'H': &micros, 'M': &micros, 'S': &micros}, map[byte]int64{'H': 3600000000, 'M': 60000000, 'S': 1000000}},
	} {
		number := ""
		for i := 0; i < len(part.text); i++ {
			to, ok := part.units[part.text[i]]
			if !ok {
				number += part.text[i : i+1]
				continue
			}
			n, err := fixed(number, part.by[part.text[i]])
			if err != nil {
				return "", fmt.Errorf("reading the interval %s: %w", text, err)
			}
			*to += n
			number = ""
		}
	}
	return fmt.Sprintf("%d %d %d", months, days, micros), nil
}

// fixed multiplies a decimal number, exactly.
func fixed(number string, by int64) (int64, error) {
	whole, fraction, _ := strings.Cut(number, ".")
	var n, f int64
	if _, err := fmt.Sscan(whole, &n); err != nil {
		return 0, err
	}
	if fraction != "" {
		if _, err := fmt.Sscan(strings.TrimLeft((fraction + "000000")[:6], "0")+"", &f); err != nil && strings.Trim(fraction, "0") != "" {
			return 0, err
		}
		f = f * by / 1000000
	}
	if strings.HasPrefix(number, "-") {
		f = -f
	}
	return n*by + f, nil
}

const (
	lostInfinite = "infinities, and NaN of `numeric` and `money`, are null"
	lostMidnight = "24:00 is 00:00"
	lostZeros    = "zeros in front are not told"
	lostOffset   = "in UTC: the offset is not told"
	lostBounds   = "lower bounds of arrays are not told"
	lostSign     = "-0 is 0 in a Flink table that has a DECIMAL"
)

func (p *postgresTypes) loss(c *column, flink, want, got string) string {
	switch {
	case want == "zeros"+got:
		return lostZeros
	case zonedTime(c.base) && want == got+"!":
		return lostOffset
	case want == "!"+got, element(c.base) != "" && strings.HasPrefix(want, "[") && strings.HasSuffix(want, "="+got):
		return lostBounds
	case strings.HasPrefix(flink, "ARRAY<"):
		return p.elementLoss(c, flink, want, got)
	case got == null && (strings.Contains(strings.ToLower(want), "infinity") || want == "NaN"):
		return lostInfinite
	case isZero(flink, want) && isZero(flink, got):
		return lostSign // numbers pass through BigDecimal then, which has no such zero
	case strings.HasPrefix(flink, "TIME(") && want == "24:00" && got == "00:00":
		return lostMidnight
	}
	return ""
}

func isZero(flink, text string) bool {
	return (flink == "FLOAT" || flink == "DOUBLE") && strings.TrimLeft(strings.TrimPrefix(text, "8"), "0") == ""
}

// elementLoss is the loss of the first element that has one.
func (p *postgresTypes) elementLoss(c *column, flink, want, got string) string {
	w, g := strings.Split(strings.Trim(want, "[]"), "|"), strings.Split(strings.Trim(got, "[]"), "|")
	if len(w) != len(g) {
		return ""
	}
	why := ""
	for i := range w {
		if w[i] != g[i] {
			if why = p.loss(&column{base: element(c.base)}, inner(flink), w[i], g[i]); why == "" {
				return ""
			}
		}
	}
	return why
}
