package outbox

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// database is where a service keeps its orders and its outbox.
type database struct {
	conn   *sql.DB
	source string // the beginning of the source section
	schema string // of the tables, as patterns have it
	dollar bool   // placeholders of statements are $1, not ?
}

// databases are the ones that the proof is made with.
var databases = map[string]func(t *testing.T) *database{
	"mysql": func(t *testing.T) *database {
		my := servers.MySQLFor(t, servers.MySQLOptions{})
		conn, err := my.DB("shop")
		if err != nil {
			t.Fatal(err)
		}
		return &database{conn: conn, schema: "shop", source: fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", my.Host(), my.Port(), my.User(), my.Password())}
	},
	"postgres": func(t *testing.T) *database {
		pg := servers.PostgresFor(t, servers.PostgresOptions{})
		conn, err := pg.DB("shop")
		if err != nil {
			t.Fatal(err)
		}
		return &database{conn: conn, schema: "public", dollar: true,
			source: fmt.Sprintf("type: postgres, host: %s, port: %d, database: shop, user: %s, password: %s", pg.Host(), pg.Port(), pg.User(), pg.Password())}
	},
}

// prepare makes the tables. The outbox holds rows from before.
func (db *database) prepare(t *testing.T) {
	t.Helper()
	raw, document := "BLOB", "JSON"
	if db.dollar {
		raw, document = "BYTEA", "JSONB"
	}
	for _, q := range []string{
		"CREATE TABLE orders (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
		"CREATE TABLE outbox (id VARCHAR(40) PRIMARY KEY, aggregatetype VARCHAR(40) NOT NULL, aggregateid BIGINT NOT NULL, kind VARCHAR(20), raw " + raw + ", payload " + document + ", seen INT)",
		"INSERT INTO outbox VALUES ('from before 1', 'order', 1, 'made', NULL, '{}', 0), ('from before 2', 'order', 2, 'made', NULL, '{}', 0)",
	} {
		if _, err := db.conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = db.conn.Close() })
}

// statement puts the placeholders of the database into a statement.
func (db *database) statement(q string) string {
	for i := 1; db.dollar && strings.Contains(q, "?"); i++ {
		q = strings.Replace(q, "?", fmt.Sprintf("$%d", i), 1)
	}
	return q
}
