package shaping

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// side is a database with the table people, and how it says what the rules say.
type side struct {
	db     *sql.DB
	source string // how a pipeline reaches it: the source section without braces
	schema string // of the table: what stands before the point in its name
	hash   string // expression of the hash of the mail
	exact  string // what makes a comparison of texts one of their characters
}

const salt = "pepper"

func newMySQL(t *testing.T, image string) *side {
	t.Helper()
	my := servers.MySQLFor(t, servers.MySQLOptions{Image: image})
	db, err := my.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	s := &side{
		db: db, schema: "shop", hash: "SHA2(CONCAT('" + salt + "', mail), 256)", exact: " COLLATE utf8mb4_0900_as_cs",
		source: fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", my.Host(), my.Port(), my.User(), my.Password()),
	}
	return s.prepare(t, "MEDIUMTEXT", "CHARACTER SET utf8mb4")
}

func newPostgres(t *testing.T, full bool) *side {
	t.Helper()
	pg := servers.PostgresFor(t, servers.PostgresOptions{})
	db, err := pg.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	s := &side{
		db: db, schema: "public", hash: "encode(sha256(convert_to('" + salt + "' || mail, 'UTF8')), 'hex')",
		source: fmt.Sprintf("type: postgres, host: %s, port: %d, database: shop, user: %s, password: %s", pg.Host(), pg.Port(), pg.User(), pg.Password()),
	}
	s.prepare(t, "TEXT", "")
	if full {
		s.exec(t, "ALTER TABLE people REPLICA IDENTITY FULL")
	}
	return s
}

func (s *side) prepare(t *testing.T, text, options string) *side {
	t.Helper()
	t.Cleanup(func() { _ = s.db.Close() })
	s.exec(t, "CREATE TABLE people (id BIGINT PRIMARY KEY, tenant INT NOT NULL, status VARCHAR(10) NOT NULL, qty INT, mail VARCHAR(60), note VARCHAR(30), doc "+text+", secret VARCHAR(30)) "+options)
	return s
}

func (s *side) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// output is one output with what a SELECT says that is in it.
type output struct {
	name, format string
	columns      []string // in the topic; the first one is the key
	expressions  []string // of a SELECT, of each column
	where        string
	read         bool // the pipeline reads a topic, whose records have no transactions
}

// outputs are two that have different rules, in which the second one has the first rule that fits.
func (s *side) outputs() []output {
	return []output{
		{"rows", "debezium-json", []string{"person", "tenant", "status", "qty", "mail_hash", "note", "doc"}, []string{"id", "tenant", "status", "qty", s.hash, "LEFT(note, 3)", "NULL"},
			"status" + s.exact + " <> 'draft' AND (qty > 3 OR note IS NULL)", false},
		{"plain", "plain-json", []string{"id", "status", "doc"}, []string{"id", "status", "doc"}, "qty BETWEEN 2 AND 6 AND status" + s.exact + " IN ('new', 'paid') OR doc" + s.exact + " LIKE '%a_b'", false},
	}
}

// again is what a pipeline makes of the topic of the second output, whose rows are inserts or updates, unknown which.
func (s *side) again() output {
	of := s.outputs()[1]
	return output{"again", "plain-json", []string{"nr", "status"}, []string{"id", "status"}, "(" + of.where + ") AND status" + s.exact + " = 'paid'", true}
}

// configAgain is that pipeline.
func (s *side) configAgain(name string) string {
	return fmt.Sprintf(`
  - name: %s-again
    source: {type: kafka, topics: ["%[1]s.plain"], format: plain-json}
    format: plain-json
    topic: "%[1]s.again"
    tables: [{name: "*.*", exclude_columns: [doc], rename: [{column: id, to: nr}], filter: status = 'paid'}]
`, name)
}

// config is a pipeline that writes the outputs, and with log one in mode changelog with the rules of the first one.
func (s *side) config(name string, brokers []string, log bool) string {
	partitions, more := 3, ""
	if log {
		partitions, more = 1, `
      - {name: log, format: debezium-json, mode: changelog, topic: "{pipeline}.log"}`
	}
	return fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: %d}}
pipelines:
  - name: %s
    source: {%s, tables: ["%s.people"]}
    commit: {max_bytes: 4KiB}
    tables:
      - name: %[5]s.*
        outputs: [plain]
        include_columns: [id, status, doc]
        filter: qty between 2 and 6 and status in ('new', 'paid') or doc like '%%a_b'
      - name: %[5]s.people
        exclude_columns: [secret]
        mask:
          - {columns: [mail], with: hash, salt: %s}
          - {columns: [note], with: truncate, length: 3}
          - {columns: [doc], with: "null"}
        rename: [{column: id, to: person}, {column: mail, to: mail_hash}]
        filter: status <> 'draft' and (qty > 3 or note is null)
    outputs:
      - {name: rows, format: debezium-json, topic: "{pipeline}.rows", options: {provide_transaction_metadata: true}}
      - {name: plain, format: plain-json, topic: "{pipeline}.plain"}%s
`, strings.Join(brokers, ", "), partitions, name, s.source, s.schema, salt, more)
}

// rows are those of the table that an output has, by key.
func (s *side) rows(ctx context.Context, o output) (map[string]map[string]string, error) {
	found, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM people WHERE %s", strings.Join(o.expressions, ", "), o.where))
	if err != nil {
		return nil, err
	}
	list, err := harness.Texts(found, o.columns, func(_ int, text string) string { return text })
	rows := map[string]map[string]string{}
	for _, row := range list {
		rows[row[o.columns[0]]] = row
	}
	return rows, err
}
