package endtoend

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/go-sql-driver/mysql"
)

func (m *mysqlDatabase) session() string {
	return "SET SESSION sql_mode='', time_zone='+00:00', innodb_lock_wait_timeout=5"
}

func (m *mysqlDatabase) retryable(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205 || e.Number == 1062 || e.Number == 1020)
}

func (m *mysqlDatabase) interrupted(error) bool { return false }

func (m *mysqlDatabase) sweep(r *rand.Rand) string {
	what := oneOf("orders SET qty = qty + 1", "everything SET ti = NULL, tx = REPEAT('x', 90)", "items SET price = price + 1")(r)
	return fmt.Sprintf("UPDATE %s.%s", m.name, what)
}

func (m *mysqlDatabase) statement(r *rand.Rand) string {
	switch r.IntN(10) {
	case 0, 1, 2:
		return m.writeEverything(r)
	case 3, 4, 5:
		return m.writeOrders(r)
	case 6, 7:
		return m.writeItems(r)
	case 8:
		return m.writeNames(r)
	default:
		return fmt.Sprintf("REPLACE INTO %s.uncaptured VALUES (%d, %d)", m.name, r.IntN(50), r.IntN(1000))
	}
}

// patching is the same workload with documents that are changed in place, which the server can log as differences.
type patching struct{ *mysqlDatabase }

func (p patching) statement(r *rand.Rand) string {
	if r.IntN(6) > 0 {
		return p.mysqlDatabase.statement(r)
	}
	patch := oneOf("JSON_SET(js, '$.a', %d)", "JSON_REMOVE(js, '$.b', '$.x%d')", "JSON_REPLACE(js, '$.a[1]', 'a longer text than before %d')", "JSON_SET(js, '$.x%d', JSON_OBJECT('y', NULL))")(r)
	more := oneOf("", "", ", i = i + 1", ", id = id + 500")(r)
	return fmt.Sprintf("UPDATE IGNORE %s.everything SET js = "+patch+"%s WHERE id BETWEEN %d AND %d", p.name, r.IntN(5), more, r.IntN(60), r.IntN(60))
}

func (m *mysqlDatabase) writeEverything(r *rand.Rand) string {
	const ids = 60
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.everything WHERE id = %d", m.name, r.IntN(ids))
	case 1:
		return fmt.Sprintf("UPDATE %s.everything SET id = id + %d WHERE id = %d", m.name, 1000, r.IntN(ids))
	case 2, 3:
		var set []string
		for _, c := range m.everything() {
			if c.value != nil && r.IntN(5) == 0 {
				set = append(set, c.name+"="+value(c, r))
			}
		}
		if len(set) > 0 {
			return fmt.Sprintf("UPDATE %s.everything SET %s WHERE id BETWEEN %d AND %d", m.name, strings.Join(set, ","), r.IntN(ids), r.IntN(ids))
		}
	}
	names, values := []string{"id"}, []string{fmt.Sprint(r.IntN(ids))}
	for _, c := range m.everything() {
		if c.value != nil {
			names, values = append(names, c.name), append(values, value(c, r))
		}
	}
	return fmt.Sprintf("REPLACE INTO %s.everything (%s) VALUES (%s)", m.name, strings.Join(names, ","), strings.Join(values, ","))
}

func (m *mysqlDatabase) writeOrders(r *rand.Rand) string {
	const ids = 500
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.orders WHERE id BETWEEN %d AND %d LIMIT 3", m.name, r.IntN(ids), r.IntN(ids))
	case 1, 2:
		return fmt.Sprintf("UPDATE %s.orders SET qty = qty + 1, touched = NOW(3), note = CONCAT('n', %d) WHERE region = %d", m.name, r.IntN(99), r.IntN(20))
	}
	var rows []string
	for range 1 + r.IntN(8) {
		rows = append(rows, fmt.Sprintf("(%d,%d,%d,'open','note %d','sku-%d','city',%d.%02d,%d,NOW(3),NOW(3),%d)",
			r.IntN(ids), r.IntN(1000), r.IntN(20), r.IntN(1000), r.IntN(100), r.IntN(1000), r.IntN(100), r.IntN(9), r.IntN(2)))
	}
	return fmt.Sprintf("INSERT INTO %s.orders VALUES %s ON DUPLICATE KEY UPDATE qty = VALUES(qty), amount = VALUES(amount), customer = VALUES(customer)", m.name, strings.Join(rows, ","))
}

func (m *mysqlDatabase) writeItems(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.items WHERE order_id = %d", m.name, r.IntN(30))
	case 1: // moves rows to other keys
		return fmt.Sprintf("UPDATE IGNORE %s.items SET order_id = order_id + %d, code = 'moved' WHERE order_id = %d ORDER BY line DESC", m.name, r.IntN(5), r.IntN(30))
	}
	return fmt.Sprintf("REPLACE INTO %s.items (order_id, line, code, note, price) VALUES (%d, %d, 'c%d', NULL, %d.5), (%d, %d, 'd', 'two', 2)",
		m.name, r.IntN(30), r.IntN(5), r.IntN(9), r.IntN(99), r.IntN(30), r.IntN(5))
}

func (m *mysqlDatabase) writeNames(r *rand.Rand) string {
	name := func() string {
		return oneOf("'a'", "'A'", "'ä'", "'☃'", "'longer name'", "'q\"uo'", "'1'", "'tab\t'")(r)
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("DELETE FROM %s.names WHERE name = %s", m.name, name())
	case 1:
		return fmt.Sprintf("UPDATE IGNORE %s.names SET name = %s, v = v + 1 WHERE name = %s", m.name, name(), name())
	}
	return fmt.Sprintf("REPLACE INTO %s.names VALUES (%s, %d)", m.name, name(), r.IntN(100))
}
