package differential

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// database is one server that both read.
type database struct {
	name     string // of its goldens
	script   script
	db       *sql.DB
	schema   string // whose tables are read by default: the database on MySQL
	source   string // of our pipeline, YAML
	version  string // of PostgreSQL
	variants []variant
	connect  map[string]string // what every connector needs
	tables   []string          // of all schemas, as schema.table
	sessions []int64           // of MySQL and MariaDB, in which the script ran
	began    string            // PostgreSQL: where its log was before the script
}

// newDatabase starts a server and makes the tables.
func newDatabase(t *testing.T, name string) *database {
	t.Helper()
	d := &database{name: name}
	switch {
	case strings.HasPrefix(name, "postgres"):
		d.startPostgres(t, strings.TrimPrefix(name, "postgres"))
	case name == "mariadb":
		d.startMySQL(t, "maria118", "maria", mariaVariants)
	default:
		d.startMySQL(t, "97", "mysql", mysqlVariants)
	}
	d.run(t.Context(), t, d.script.tables)
	d.listTables(t)
	return d
}

func (d *database) startMySQL(t *testing.T, version, server string, variants []variant) {
	t.Helper()
	flags := []string{"--default-time-zone=+00:00", "--character-set-server=utf8mb4"}
	if server == "mysql" {
		flags = append(flags, "--binlog-rows-query-log-events=ON") // MariaDB has rows without statements
	}
	my := servers.MySQLFor(t, servers.MySQLOptions{Version: version, Extra: flags})
	db, err := my.DB("lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d.script, d.db, d.schema, d.variants = readScript(t, "mysql.sql", server).apart(), db, "lab", variants
	d.source = fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s, on_truncate: note", my.Host(), my.Port(), my.User(), my.Password())
	class := map[string]string{"mysql": "mysql.MySqlConnector", "maria": "mariadb.MariaDbConnector"}[server]
	d.connect = map[string]string{
		"connector.class": "io.debezium.connector." + class, "database.hostname": my.Host(), "database.port": strconv.Itoa(my.Port()),
		"database.user": my.User(), "database.password": my.Password(), "database.include.list": "lab",
	}
	if server == "mysql" {
		d.source += ", include_query: true"
		d.connect["include.query"] = "true"
	}
}

func (d *database) startPostgres(t *testing.T, version string) {
	t.Helper()
	pg := servers.PostgresFor(t, servers.PostgresOptions{Version: version, Settings: map[string]string{"timezone": "UTC"}})
	db, err := pg.DB("lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.QueryRowContext(t.Context(), "SELECT pg_current_wal_flush_lsn()").Scan(&d.began); err != nil {
		t.Fatal(err)
	}
	d.script, d.db, d.schema, d.variants, d.version = readScript(t, "postgres.sql", version), db, "public", postgresVariants, version
	d.source = fmt.Sprintf("type: postgres, host: %s, port: %d, database: lab, user: %s, password: %s, on_truncate: note, messages: true", pg.Host(), pg.Port(), pg.User(), pg.Password())
	d.connect = map[string]string{
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": pg.Host(), "database.port": strconv.Itoa(pg.Port()),
		"database.user": pg.User(), "database.password": pg.Password(), "database.dbname": "lab", "plugin.name": "pgoutput", "publication.name": "debezium",
	}
}

func (d *database) listTables(t *testing.T) {
	t.Helper()
	rows, err := d.db.Query("SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema IN ('lab', 'public', 'Other s') AND table_type = 'BASE TABLE' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		d.tables = append(d.tables, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if d.version == "" {
		d.tables = append(d.tables, "lab.created", "lab.renamed") // later
	}
}

// connector is the configuration of Debezium for one variant.
func (d *database) connector(v variant, id int, brokers []string) map[string]string {
	all := map[string]string{
		"topic.prefix": v.name, "tasks.max": "1", "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
	}
	if d.version != "" {
		all["slot.name"] = "debezium_" + v.name
	} else {
		all["database.server.id"] = strconv.Itoa(90000 + id)
		all["schema.history.internal.kafka.bootstrap.servers"] = strings.Join(brokers, ",")
		all["schema.history.internal.kafka.topic"] = "history-" + v.name
	}
	for _, m := range []map[string]string{d.connect, v.connect} {
		for k, value := range m {
			all[k] = value
		}
	}
	if len(v.without) > 0 {
		all["table.exclude.list"] = d.schema + `\.(` + strings.Join(v.without, "|") + ")"
	}
	return all
}

// doneTopic is the topic whose record tells the end of the tables, and the second one that of the stream.
func (d *database) doneTopic(v variant) string { return v.name + "." + d.schema + ".zz_done" }

// reader is a program that reads the server and writes topics.
type reader struct {
	wait   func(n int)               // until n records of zz_done are there
	finish func() map[string]records // ends the program and returns what it wrote, by variant
}

// follow runs the script under programs that read the server at once.
func (d *database) follow(ctx context.Context, t *testing.T, readers ...reader) {
	t.Helper()
	for i, part := range append([][]string{nil}, d.script.stream...) {
		d.run(ctx, t, part)
		for _, r := range readers {
			r.wait(i + 1)
		}
	}
}

// debezium starts a connector for each variant.
func (d *database) debezium(ctx context.Context, t *testing.T, c cleaner) reader {
	t.Helper()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Heap: "320m"})
	connect := servers.ConnectFor(t, kafka)
	for i, v := range d.variants {
		if err := connect.Create(ctx, v.name, d.connector(v, i, kafka.Brokers())); err != nil {
			t.Fatal(err)
		}
	}
	wait := func(n int) {
		for _, v := range d.variants {
			waitRows(ctx, t, kafka.Brokers(), d.doneTopic(v), n, func() error { return connect.Check(ctx, v.name) })
		}
	}
	return reader{wait, func() map[string]records {
		out := map[string]records{}
		for _, v := range d.variants {
			if err := connect.Delete(ctx, v.name); err != nil { // writes all that it holds
				t.Fatal(err)
			}
			out[v.name] = readAll(ctx, t, kafka.Brokers(), v.name, c)
		}
		return out
	}}
}
