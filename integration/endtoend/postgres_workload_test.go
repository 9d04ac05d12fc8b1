package endtoend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

func (p *postgresDatabase) session() string {
	return "SET lock_timeout = '5s'; SET TimeZone = 'UTC'"
}

// retryable errors take a whole transaction with them: deadlocks, lock waits, duplicate keys, rows that moved to another partition.
func (p *postgresDatabase) retryable(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && slices.Contains([]string{"40001", "40P01", "55P03", "23505"}, e.Code)
}

// interrupted is every error that the server did not make, and its words at its end (class 57P).
func (p *postgresDatabase) interrupted(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var e *pgconn.PgError
	return !errors.As(err, &e) || strings.HasPrefix(e.Code, "57P")
}

func (p *postgresDatabase) sweep(r *rand.Rand) string {
	return "UPDATE " + oneOf("app.orders SET qty = qty + 1", "app.everything SET i2 = NULL, tx = repeat('x', 90)", "sales.orders SET price = price + 1", "app.parted SET v = v + 1", "app.letters SET title = title || '!'")(r)
}

func (p *postgresDatabase) statement(r *rand.Rand) string {
	switch r.IntN(20) {
	case 0, 1, 2, 3:
		return p.writeEverything(r)
	case 4, 5, 6, 7:
		return p.writeOrders(r)
	case 8, 9, 10:
		return p.writeLines(r)
	case 11, 12:
		return p.writeNames(r)
	case 13, 14:
		return p.writeMeasures(r)
	case 15, 16:
		return p.writeParted(r)
	case 17, 18:
		return p.writeDocuments(r)
	default:
		return fmt.Sprintf("INSERT INTO app.uncaptured VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET v = excluded.v", r.IntN(50), r.IntN(1000))
	}
}

func (p *postgresDatabase) writeEverything(r *rand.Rand) string {
	const ids = 60
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("DELETE FROM app.everything WHERE id = %d", r.IntN(ids))
	case 1:
		return fmt.Sprintf("UPDATE app.everything SET id = id + 1000 WHERE id = %d", r.IntN(ids))
	case 2, 3:
		var set []string
		for _, c := range pgEverything {
			if c.value != nil && r.IntN(5) == 0 {
				set = append(set, pgName(c.name)+"="+value(c, r))
			}
		}
		if len(set) > 0 {
			return fmt.Sprintf("UPDATE app.everything SET %s WHERE id BETWEEN %d AND %d", strings.Join(set, ", "), r.IntN(ids), r.IntN(ids))
		}
	}
	names, values, set := []string{"id"}, []string{fmt.Sprint(r.IntN(ids))}, []string{}
	for _, c := range pgEverything {
		if c.value != nil {
			n := pgName(c.name)
			names, values, set = append(names, n), append(values, value(c, r)), append(set, n+" = excluded."+n)
		}
	}
	return fmt.Sprintf("INSERT INTO app.everything (%s) VALUES (%s) ON CONFLICT (id) DO UPDATE SET %s", strings.Join(names, ", "), strings.Join(values, ", "), strings.Join(set, ", "))
}

func (p *postgresDatabase) writeOrders(r *rand.Rand) string {
	const ids = 500
	switch r.IntN(100) {
	case 0: // large, and now and then rolled back
		return fmt.Sprintf("INSERT INTO app.orders (id, customer, note, qty) SELECT g, 1, 'large', 1 FROM generate_series(1000, %d) g ON CONFLICT (id) DO UPDATE SET qty = app.orders.qty + 1", 1000+r.IntN(1500))
	case 1:
		return "DELETE FROM app.orders WHERE id >= 1000"
	}
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM app.orders WHERE id IN (SELECT id FROM app.orders WHERE id BETWEEN %d AND %d ORDER BY id LIMIT 3)", r.IntN(ids), r.IntN(ids))
	case 1, 2:
		return fmt.Sprintf("UPDATE app.orders SET qty = qty + 1, placed = clock_timestamp(), note = 'n%d' WHERE region = %d", r.IntN(99), r.IntN(20))
	}
	var rows []string
	first := r.IntN(ids)
	for i := range 1 + r.IntN(8) {
		rows = append(rows, fmt.Sprintf("(%d, %d, %d, 'open', 'note %d', %d.%02d, %d, clock_timestamp(), %t)",
			first+i, r.IntN(1000), r.IntN(20), r.IntN(1000), r.IntN(1000), r.IntN(100), r.IntN(9), r.IntN(2) == 0))
	}
	return fmt.Sprintf("INSERT INTO app.orders VALUES %s ON CONFLICT (id) DO UPDATE SET qty = excluded.qty, amount = excluded.amount, customer = excluded.customer", strings.Join(rows, ", "))
}

func (p *postgresDatabase) writeLines(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM sales.orders WHERE order_id = %d", r.IntN(30))
	case 1: // moves rows to other keys
		return fmt.Sprintf("UPDATE sales.orders SET order_id = order_id + %d, code = 'moved' WHERE order_id = %d AND line = %d", r.IntN(5), r.IntN(30), r.IntN(5))
	}
	return fmt.Sprintf("INSERT INTO sales.orders (order_id, line, code, note, price) VALUES (%d, %d, 'c%d', NULL, %d.5), (%d, %d, 'dd', 'two', 2) ON CONFLICT (order_id, code, line) DO UPDATE SET note = excluded.note, price = excluded.price",
		r.IntN(30), r.IntN(5), r.IntN(9), r.IntN(99), r.IntN(30), r.IntN(5))
}

func (p *postgresDatabase) writeNames(r *rand.Rand) string {
	odd, column := pgName(pgOddSchema)+"."+pgName(pgOddTable), `"Näme ""q"""`
	name := func() string {
		return oneOf("'a'", "'A'", "'ä'", "'☃'", "'longer name'", "'q\"uo'", "'1'", "'tab\t'", "''", "'a '")(r)
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s WHERE %s = %s", odd, column, name())
	case 1:
		return fmt.Sprintf("UPDATE %s SET %[2]s = %s, v = v + 1 WHERE %[2]s = %s", odd, column, name(), name())
	}
	return fmt.Sprintf("INSERT INTO %s (v, %[2]s) VALUES (%d, %s) ON CONFLICT (%[2]s) DO UPDATE SET v = excluded.v", odd, column, r.IntN(100), name())
}

// writeMeasures has keys whose equal values have several texts: 1.1 and 1.10, and one instant in several zones.
func (p *postgresDatabase) writeMeasures(r *rand.Rand) string {
	at := oneOf("'2024-05-06 07:08:09+00'", "'2024-05-06 09:08:09+02'", "'2024-05-06 07:08:09.5+00'", "'infinity'")(r)
	what, kind := oneOf("1.1", "1.10", "1", "0", "-5e20", "1e-20")(r), oneOf("'sad'", "'☃'")(r)
	where := fmt.Sprintf("at = %s AND what = %s AND kind = %s", at, what, kind)
	switch r.IntN(5) {
	case 0:
		return "DELETE FROM app.measures WHERE " + where
	case 1: // often to another text of the same key
		return fmt.Sprintf("UPDATE app.measures SET what = %s WHERE %s", oneOf("1.1", "1.10", "1.100", "1.0")(r), where)
	}
	return fmt.Sprintf("INSERT INTO app.measures (at, what, kind, v) VALUES (%s, %s, %s, 'v%d') ON CONFLICT (at, what, kind) DO UPDATE SET v = excluded.v", at, what, kind, r.IntN(100))
}

// writeParted also moves rows to other partitions.
func (p *postgresDatabase) writeParted(r *rand.Rand) string {
	region := oneOf("'de'", "'fr'", "'us'", "'jp'")
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM app.parted WHERE id = %d", r.IntN(40))
	case 1:
		return fmt.Sprintf("UPDATE app.parted SET region = %s WHERE id = %d AND region = %s", region(r), r.IntN(40), region(r))
	}
	return fmt.Sprintf("INSERT INTO app.parted VALUES (%d, %s, %d) ON CONFLICT (region, id) DO UPDATE SET v = excluded.v", r.IntN(40), region(r), r.IntN(100))
}

// writeDocuments writes large values and leaves them where they are, in a table whose old rows are in the log and in one where
// they are not.
func (p *postgresDatabase) writeDocuments(r *rand.Rand) string {
	const ids = 20
	name := oneOf("app.documents", "app.letters")(r)
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s WHERE id = %d", name, r.IntN(ids))
	case 1:
		return fmt.Sprintf("UPDATE %s SET id = id + %d WHERE id = %d", name, 1+r.IntN(5), r.IntN(ids))
	case 2, 3:
		return fmt.Sprintf("UPDATE %s SET title = 't%d', other = %s WHERE id = %d", name, r.IntN(100), oneOf("other", "NULL", "title")(r), r.IntN(ids))
	}
	return fmt.Sprintf("INSERT INTO %s (id, body, title, other) VALUES (%d, %s, 'new', %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body", name, r.IntN(ids), toasted(r), toasted(r))
}
