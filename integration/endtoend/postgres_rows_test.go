package endtoend

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// pgColumn is one column as the catalogue describes it.
type pgColumn struct {
	name      string
	key       bool
	typ       string // of a domain its base, of an array its element; without modifiers
	modifiers []int  // numeric(10,2): 10, 2
	array     bool
}

func (c *pgColumn) label() string { return c.name }
func (c *pgColumn) inKey() bool   { return c.key }

var pgModifiers = regexp.MustCompile(`\(([-0-9,]+)\)`)

func (p *postgresDatabase) columns(ctx context.Context, t table) ([]column, error) {
	rows, err := p.db.QueryContext(ctx, `
		SELECT a.attname, a.attnum = ANY (coalesce(i.indkey::int2[], '{}')),
			CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE format_type(a.atttypid, a.atttypmod) END
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
			JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY a.attnum`, t.schema, t.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []column
	for rows.Next() {
		c := &pgColumn{}
		if err := rows.Scan(&c.name, &c.key, &c.typ); err != nil {
			return nil, err
		}
		c.typ, c.array = strings.CutSuffix(c.typ, "[]")
		if m := pgModifiers.FindStringSubmatch(c.typ); m != nil {
			c.typ = strings.Replace(c.typ, m[0], "", 1)
			for text := range strings.SplitSeq(m[1], ",") {
				n, err := strconv.Atoi(text)
				if err != nil {
					return nil, fmt.Errorf("reading the modifiers of %s: %w", c.name, err)
				}
				c.modifiers = append(c.modifiers, n)
			}
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// scale is the number of fraction digits of a numeric; ok is false when each value has its own.
func (c *pgColumn) scale() (digits int, ok bool) {
	switch {
	case c.typ == "money":
		return 2, true
	case len(c.modifiers) == 2:
		return max(c.modifiers[1], 0), true
	}
	return 0, len(c.modifiers) == 1
}

// millis says that a time is written in milliseconds and not in microseconds.
func (c *pgColumn) millis() bool { return len(c.modifiers) == 1 && c.modifiers[0] <= 3 }

func (p *postgresDatabase) rows(ctx context.Context, t table, format string, columns []column) (map[string]map[string]string, error) {
	var exprs []string
	for _, c := range columns {
		c := c.(*pgColumn)
		ref, expr := pgName(c.name), ""
		if c.array && format == "debezium-json" {
			expr = fmt.Sprintf(`U&'\0002' || coalesce((SELECT string_agg(CASE WHEN num_nulls(e) = 0 THEN %s ELSE '%s' END, U&'\0001' ORDER BY n) FROM unnest(%s) WITH ORDINALITY AS u(e, n)), '')`,
				c.selectExpr("e", format), null, ref)
		} else {
			expr = c.selectExpr(ref, format)
		}
		exprs = append(exprs, fmt.Sprintf("CASE WHEN num_nulls(%s) = 0 THEN %s END", ref, expr))
	}
	const session = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1"
	query := fmt.Sprintf("SELECT %s FROM %s.%s", strings.Join(exprs, ", "), pgName(t.schema), pgName(t.name))
	return selectRows(ctx, p.db, session, query, columns)
}

// selectExpr is how the server prints a value in the oracle's own text form; where the format has a number of its own, the
// server computes it. e is not NULL. (num_nulls, because a composite value of NULLs IS NULL.) format('%s') is the type's own output, which a cast is not for all types.
func (c *pgColumn) selectExpr(e, format string) string {
	plain := "format('%s', " + e + ")"
	if c.array && e != "e" {
		return plain
	}
	switch c.typ {
	case "boolean":
		return e + "::text"
	case "bytea":
		return "encode(" + e + ", 'hex')"
	case "money":
		return e + "::numeric::text"
	case "timestamp with time zone":
		return "(" + e + " AT TIME ZONE 'UTC')::text"
	}
	if format == "canal-json" {
		return plain
	}
	finite := func(number, most, least string) string {
		return fmt.Sprintf("CASE WHEN isfinite(%[1]s) THEN (%[2]s)::bigint::text WHEN %[1]s > '2000-01-01' THEN '%[3]s' ELSE '%[4]s' END", e, number, most, least)
	}
	unit := "1000000"
	if c.millis() {
		unit = "1000"
	}
	epoch := "extract(epoch FROM " + e + ") * " + unit
	switch c.typ {
	case "numeric":
		if _, ok := c.scale(); !ok {
			return "trim_scale(" + e + ")::text"
		}
	case "bit varying":
		return "ltrim(" + e + "::text, '0')"
	case "date":
		return finite(e+" - DATE '1970-01-01'", "2147483647", "-2147483648")
	case "timestamp without time zone":
		return finite(epoch, "9223372036854775807", "-9223372036854775808")
	case "time without time zone":
		return "(" + epoch + ")::bigint::text"
	case "time with time zone":
		return "(" + e + " AT TIME ZONE 'UTC')::text"
	case "interval": // a month has 30.4375 days
		return fmt.Sprintf(`((extract(year FROM %[1]s) * 12 + extract(month FROM %[1]s)) * 2629800000000 + extract(day FROM %[1]s) * 86400000000
			+ extract(hour FROM %[1]s) * 3600000000 + extract(minute FROM %[1]s) * 60000000 + extract(microseconds FROM %[1]s))::bigint::text`, e)
	case "hstore":
		return "hstore_to_json(" + e + ")::text"
	}
	return plain
}

// pgElements are the elements of an array in the oracle's text: \x02, then the elements with \x01 between them.
const pgArray, pgElement = "\x02", "\x01"

// normalize brings texts that mean the same to one form: floats, times, and points.
func (c *pgColumn) normalize(s string) string {
	if elements, ok := strings.CutPrefix(s, pgArray); ok && c.array {
		if elements == "" {
			return s
		}
		element := *c
		element.array = false
		parts := strings.Split(elements, pgElement)
		for i := range parts {
			if parts[i] != null {
				parts[i] = element.normalize(parts[i])
			}
		}
		return pgArray + strings.Join(parts, pgElement)
	}
	if c.array {
		return s
	}
	switch c.typ {
	case "real":
		return floatText(s, 32)
	case "double precision":
		return floatText(s, 64)
	case "point":
		x, y, _ := strings.Cut(strings.Trim(s, "()"), ",")
		return "(" + floatText(x, 64) + "," + floatText(y, 64) + ")"
	case "hstore":
		if strings.HasPrefix(s, "{") {
			return normalizeJSON(s)
		}
	case "timestamp with time zone", "timestamp without time zone", "time without time zone", "time with time zone":
		s = strings.TrimSuffix(s, "+00")
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
	}
	return s
}
