package flink

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// shop is a database of rates and orders in the topics of every format, for what is not about types.
type shop struct {
	*rig
	db    *sql.DB
	epoch int64 // seconds since 1970 at which the first step was committed
	ddl   map[string]statement
}

// step is a statement and the second after the epoch at which it is committed.
type step struct {
	at  int64
	sql string
}

// steps have each currency's rate before, between and behind the orders in it.
var steps = []step{
	{0, "INSERT INTO rates VALUES ('EUR', 1.1), ('USD', 1), ('GBP', 1.3)"},
	{10, "INSERT INTO orders VALUES (1, 'EUR', 10)"},
	{20, "UPDATE rates SET rate = 1.2 WHERE currency = 'EUR'"},
	{30, "INSERT INTO orders VALUES (2, 'EUR', 20)"},
	{40, "INSERT INTO orders VALUES (3, 'USD', 30)"},
	{50, "DELETE FROM rates WHERE currency = 'USD'"},
	{60, "INSERT INTO orders VALUES (4, 'USD', 40)"},
	{70, "INSERT INTO orders VALUES (5, 'GBP', 50.5)"},
	{80, "UPDATE rates SET rate = 1.4 WHERE currency = 'GBP'"},
}

// joined are the orders with the rates of their time.
var joined = []string{"1 1.1000", "2 1.2000", "3 1.0000", "4 null", "5 1.3000"}

const shopConfig = `pipelines:
  - name: shop
    source: {%[1]s, tables: [shop.*], start: earliest}
    snapshot: {mode: never}
    outputs:
      - {name: dbz, format: debezium-json, preset: flink, topic: "{pipeline}.dbz.{table}"}
      - {name: can, format: canal-json, preset: flink, topic: "{pipeline}.can.{table}"}
      - {name: row, format: plain-json, preset: flink, topic: "{pipeline}.row.{table}"}
      - {name: sch, format: debezium-json, preset: flink, topic: "{pipeline}.sch.{table}", options: {schemas_enable: true}}
      - {name: log, format: plain-json, preset: flink, topic: "{pipeline}.log.{table}", mode: changelog, options: {add_fields: [op, time]}}
      - {name: dbz-more, format: debezium-json, preset: flink, topic: "{pipeline}.dbz-more.{table}", key_prefix: shard, metadata: [{name: shard, from: source.database}, {name: did, from: op}, {name: committed, from: source.timestamp}]}
      - {name: can-more, format: canal-json, preset: flink, topic: "{pipeline}.can-more.{table}", key_prefix: shard, metadata: [{name: shard, from: source.database}, {name: did, from: op}, {name: committed, from: source.timestamp}]}
      - {name: row-more, format: plain-json, preset: flink, topic: "{pipeline}.row-more.{table}", key_prefix: shard, metadata: [{name: shard, from: source.database}, {name: did, from: op}, {name: committed, from: source.timestamp}]}
  - name: tables
    source: {%[1]s, tables: [tables.*], start: earliest, on_truncate: ignore}
    snapshot: {mode: never}
    outputs:
      - {name: dbz, format: debezium-json, preset: flink, topic: "{pipeline}.dbz.{table}", mode: changelog}
      - {name: can, format: canal-json, preset: flink, topic: "{pipeline}.can.{table}", mode: changelog}
  - name: odd
    source: {type: postgres, host: %[2]s, port: %[3]d, database: odd, user: %[4]s, password: %[5]s, tables: [public.*]}
    outputs:
      - {name: dbz, format: debezium-json, preset: flink, topic: "{pipeline}.dbz.{table}"}
      - {name: can, format: canal-json, preset: flink, topic: "{pipeline}.can.{table}"}
      - {name: row, format: plain-json, preset: flink, topic: "{pipeline}.row.{table}"}
`

// newShop commits the steps, makes tables of many shapes and some values that Flink cannot have, and lets a daemon write all of it.
func newShop(t *testing.T, g *rig) *shop {
	t.Helper()
	db, err := g.my.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := &shop{rig: g, db: db, epoch: time.Now().Add(-time.Hour).Unix()}
	s.sell(t)
	g.makeTables(t)
	if _, err := g.pg.DB("odd"); err != nil {
		t.Fatal(err)
	}
	if err := g.pg.Exec(t.Context(), "odd", "CREATE TABLE nested (id int PRIMARY KEY, a int[])", "INSERT INTO nested VALUES (1, '{{1,2},{3,NULL}}'), (2, '{1}')",
		"CREATE TABLE late (id int PRIMARY KEY, d date)", "INSERT INTO late VALUES (1, '5874897-12-31'), (2, '"+lastDate+"')"); err != nil {
		t.Fatal(err)
	}
	d := g.start(t, fmt.Sprintf(shopConfig, fmt.Sprintf("type: mysql, host: %s, port: %d, user: %s, password: %s", g.my.Host(), g.my.Port(), g.my.User(), g.my.Password()),
		g.pg.Host(), g.pg.Port(), g.pg.User(), g.pg.Password()))
	g.read(t, d, "odd")
	g.wait(t, d, "shop.log.done", "tables.dbz.done", "odd.row.nested", "odd.row.late")
	g.stop(t, d)
	s.ddl = statementsOf(t, d.Config())
	return s
}

// sell commits the steps, each at its own time.
func (s *shop) sell(t *testing.T) {
	t.Helper()
	conn, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	all := []step{
		{0, "CREATE TABLE rates (currency CHAR(3) PRIMARY KEY, rate DECIMAL(10,4) NOT NULL)"},
		{0, "CREATE TABLE orders (id INT PRIMARY KEY, currency CHAR(3) NOT NULL, amount DECIMAL(10,2) NOT NULL)"},
		{0, "CREATE TABLE done (id INT PRIMARY KEY)"},
	}
	for _, st := range append(append(all, steps...), step{90, "INSERT INTO done VALUES (1)"}) {
		at := s.epoch + st.at
		for _, sql := range []string{fmt.Sprintf("SET timestamp = %d", at), fmt.Sprintf("SET original_commit_timestamp = %d", at*1000000), st.sql} {
			if _, err := conn.ExecContext(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
}

var sincePattern = regexp.MustCompile(`(?m)^-- since \d+: `)

// makeTables runs the script of tables of many shapes: without key, with composite keys, computed and invisible columns, odd names.
func (g *rig) makeTables(t *testing.T) {
	t.Helper()
	db, err := g.my.DB("tables")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	script, err := os.ReadFile("../mysqltypes/generate/sql/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(sincePattern.ReplaceAllString(string(script), ""), "; ", ";\n") + "CREATE TABLE done (id INT PRIMARY KEY);\nINSERT INTO done VALUES (1);\n"
	for _, s := range statements("SET sql_mode = '';\n" + text) {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// of is the statement of a table of the shop in an output.
func (s *shop) of(t *testing.T, output, table string) statement {
	t.Helper()
	st, ok := s.ddl["shop "+output+" shop."+table]
	if !ok {
		t.Fatalf("no statement for %s in %s", table, output)
	}
	return st
}

// renamed gives the table of a statement another name in Flink, and lets it be of another topic.
func (s *statement) renamed(name, topic string) statement {
	text := strings.Replace(s.Statement, "CREATE TABLE "+quoteName(s.Name), "CREATE TABLE "+quoteName(name), 1)
	text = strings.Replace(text, "'"+s.Topic+"'", "'"+topic+"'", 1)
	return statement{s.Pipeline, s.Output, s.Table, topic, name, text}
}

// option is the table with options of the WITH clause replaced, read to its present end.
func (s *statement) option(options ...string) string {
	return quoteName(s.Name) + " /*+ OPTIONS('scan.bounded.mode' = 'latest-offset', " + strings.Join(options, ", ") + ") */"
}

var formats = []string{"dbz", "can", "row"}

// testStatements reads tables of every shape with the statements as they are, and counts their rows.
func (s *shop) testStatements(t *testing.T) {
	names := texts(t, s.db, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'tables' AND table_type = 'BASE TABLE'")
	for _, name := range names {
		want := texts(t, s.db, "SELECT COUNT(*) FROM tables.`"+strings.ReplaceAll(name, "`", "``")+"`")[0]
		for _, output := range []string{"dbz", "can"} {
			st, ok := s.ddl["tables "+output+" tables."+name]
			if !ok {
				t.Errorf("no statement for %s", name)
				continue
			}
			got, err := s.ask(t, st.Statement+"; SELECT * FROM "+st.bounded())
			if err != nil {
				t.Errorf("%s in %s: %v\n%s", name, output, err, st.Statement)
				continue
			}
			n := 0
			for _, r := range got.Rows {
				if n++; r.Kind[0] == '-' {
					n -= 2
				}
			}
			if strconv.Itoa(n) != want {
				t.Errorf("%s in %s: %d rows, want %s", name, output, n, want)
			}
		}
	}
	if len(names) < 20 {
		t.Errorf("only the tables %q", names)
	}
}

// testMetadata asks for the columns that the statements add to the row, and for those that Flink has of any record.
func (s *shop) testMetadata(t *testing.T) {
	at := time.Unix(s.epoch+70, 0).UTC().Format(time.RFC3339)
	for output, want := range map[string]map[string]string{
		"dbz": {"source_time": at, "source_database": "shop", "source_table": "orders"},
		"can": {"source_time": at, "source_database": "shop", "source_table": "orders"},
		"row": {"record_time": at},
		"log": {"__time": at, "__op": "c"},

		"dbz-more": {"shard": "shop", "did": "c", "committed": at}, "can-more": {"shard": "shop", "did": "c", "committed": at}, "row-more": {"shard": "shop", "did": "c", "committed": at},
	} {
		st := s.of(t, output, "orders")
		r := s.mustAsk(t, st.Statement+"; SELECT * FROM "+st.bounded()+" WHERE id = 5")
		if len(r.Rows) != 1 {
			t.Errorf("%s: %q", output, lines(r))
			continue
		}
		for name, value := range want {
			i := slices.Index(r.Columns, name)
			if i < 0 || strings.Trim(string(r.Rows[0].Values[i]), `"`) != value {
				t.Errorf("%s: want %s %s of %q: %q", output, name, value, r.Columns, lines(r))
			}
		}
	}
	for output, want := range map[string][]string{"dbz-more": {"shop EUR u", "shop GBP u"}, "can-more": {"shop EUR u", "shop GBP u"}, "row-more": {"shop EUR u", "shop GBP u"}} {
		st := s.of(t, output, "rates")
		r := s.mustAsk(t, "SET 'table.exec.source.cdc-events-duplicate' = 'true'; "+st.Statement+"; SELECT shard, currency, did FROM "+st.bounded())
		rows := map[string]bool{} // whole rows are taken back as they were given
		for _, l := range lines(r) {
			kind, row, _ := strings.Cut(l, " ")
			if there := kind == "+I" || kind == "+U"; there == rows[row] {
				t.Errorf("%s: %s of %q", output, l, lines(r))
			} else if rows[row] = there; !there {
				delete(rows, row)
			}
		}
		if got := slices.Sorted(maps.Keys(rows)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", output, got, want)
		}
	}
	st := s.of(t, "dbz", "orders")
	more := st.renamed("more", st.Topic)
	more.Statement = strings.Replace(more.Statement, "  `id` INT,", "  `id` INT,\n  h MAP<STRING, BYTES> METADATA FROM 'headers', ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', p MAP<STRING, STRING> METADATA FROM 'value.source.properties' VIRTUAL,", 1)
	got := lines(s.mustAsk(t, more.Statement+"; SELECT id, CAST(h['cdc.op'] AS STRING), CAST(h['cdc.table'] AS STRING), ts, p['connector'], p['table'] FROM "+more.bounded()+" WHERE id = 5"))
	if want := []string{"+I 5 c shop.orders " + at + " mysql orders"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// testSchemas reads messages with schemas, which must be as those without; either is refused where the other is announced.
func (s *shop) testSchemas(t *testing.T) {
	for _, table := range []string{"rates", "orders"} {
		plain, wrapped := s.of(t, "dbz", table), s.of(t, "sch", table)
		a := s.mustAsk(t, plain.Statement+"; SELECT * FROM "+plain.bounded())
		b := s.mustAsk(t, wrapped.Statement+"; SELECT * FROM "+wrapped.bounded())
		i := slices.Index(a.Columns, "written_time")
		for _, rows := range [][]servers.FlinkRow{a.Rows, b.Rows} {
			for k := range rows {
				rows[k].Values[i] = json.RawMessage("0") // the time of writing is another
			}
			slices.SortStableFunc(rows, func(x, y servers.FlinkRow) int { return strings.Compare(string(x.Values[0]), string(y.Values[0])) })
		}
		if x, y := lines(a), lines(b); !slices.Equal(x, y) || len(x) == 0 {
			t.Errorf("%s: without schemas %q, with schemas %q", table, x, y)
		}
	}
	for output, include := range map[string]string{"dbz": "true", "sch": "false"} {
		st := s.of(t, output, "rates")
		if r, err := s.ask(t, st.Statement+"; SELECT * FROM "+st.option("'debezium-json.schema-include' = '"+include+"'")); err == nil {
			t.Errorf("%s with schema-include %s: %q", output, include, lines(r))
		}
	}
}

// testUpsertWriter lets Flink write a table by upsert-kafka: keys and tombstones must be where ours are.
func (s *shop) testUpsertWriter(t *testing.T) {
	for _, table := range []string{"rates", "orders"} {
		st, topic := s.of(t, "row", table), "copy."+table
		s.topic(t, topic, 2, "compact")
		sink := st.renamed("copy", topic)
		columns := map[string]string{"rates": "currency, rate", "orders": "id, currency, amount"}[table]
		s.mustAsk(t, st.Statement+";\n"+sink.Statement+";\nINSERT INTO copy ("+columns+") SELECT "+columns+" FROM "+st.bounded())
		var ends [2]map[string]int32 // partition of each key, negative when it ends in a tombstone
		for i, name := range []string{st.Topic, topic} {
			records, err := harness.ReadTopic(t.Context(), s.kafka.Brokers(), name)
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = map[string]int32{}
			for _, r := range records {
				if ends[i][string(r.Key)] = r.Partition + 1; r.Value == nil {
					ends[i][string(r.Key)] *= -1
				}
			}
		}
		if fmt.Sprint(ends[0]) != fmt.Sprint(ends[1]) || len(ends[0]) < 3 {
			t.Errorf("%s: our keys %v, Flink's %v", table, ends[0], ends[1])
		}
		ours := fold(t, table, s.mustAsk(t, st.Statement+"; SELECT "+columns+" FROM "+st.bounded()).Rows)
		copied := fold(t, "the copy of "+table, s.mustAsk(t, sink.Statement+"; SELECT "+columns+" FROM "+sink.bounded()).Rows)
		same := func(a, b []json.RawMessage) bool { return fmt.Sprintf("%s", a) == fmt.Sprintf("%s", b) }
		if !maps.EqualFunc(ours, copied, same) || len(ours) < 2 {
			t.Errorf("%s: our rows %s, Flink's %s", table, ours, copied)
		}
	}
}

// testAborted writes a row in a transaction that is aborted, and none of the statements must show it.
func (s *shop) testAborted(t *testing.T) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Brokers()...), kgo.TransactionalID("aborts"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for output, value := range map[string]string{
		"dbz": `{"before":null,"after":{"id":666,"currency":"XXX","amount":"1.00"},"source":{"ts_ms":1},"op":"c","ts_ms":1}`,
		"can": `{"data":[{"id":"666","currency":"XXX","amount":"1.00"}],"database":"shop","es":1,"ts":1,"type":"INSERT","table":"orders"}`,
		"row": `{"id":666,"currency":"XXX","amount":"1.00"}`,
	} {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: s.of(t, output, "orders").Topic, Key: []byte(`{"id":666}`), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.EndTransaction(context.WithoutCancel(t.Context()), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	for _, output := range formats {
		st := s.of(t, output, "orders")
		if got := lines(s.mustAsk(t, st.Statement+"; SELECT id FROM "+st.bounded()+" WHERE id > 4")); !slices.Equal(got, []string{"+I 5"}) {
			t.Errorf("%s: %q", output, got)
		}
		got := lines(s.mustAsk(t, st.Statement+"; SELECT id FROM "+st.option("'properties.isolation.level' = 'read_uncommitted'")+" WHERE id > 4"))
		if slices.Sort(got); !slices.Equal(got, []string{"+I 5", "+I 666"}) {
			t.Errorf("%s: without read_committed the row must be seen, or the test proves nothing: %q", output, got)
		}
	}
}

// testBroken appends a record that is no message. It comes last, because nothing reads the topics after it.
func (s *shop) testBroken(t *testing.T) {
	for output, tc := range map[string]struct{ err, option string }{
		"dbz": {"Corrupt Debezium JSON message", "debezium-json.ignore-parse-errors"},
		"can": {"Corrupt Canal JSON message", "canal-json.ignore-parse-errors"},
		"row": {"Failed to deserialize JSON", "value.json.ignore-parse-errors"},
	} {
		st := s.of(t, output, "orders")
		s.produce(t, &kgo.Record{Topic: st.Topic, Key: []byte(`{"id":667}`), Value: []byte(`{"broken`)})
		if r, err := s.ask(t, st.Statement+"; SELECT id FROM "+st.bounded()); err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v: %q", output, err, lines(r))
		}
		got := lines(s.mustAsk(t, st.Statement+"; SELECT id FROM "+st.option("'"+tc.option+"' = 'true'")))
		if slices.Sort(got); !slices.Equal(got, []string{"+I 1", "+I 2", "+I 3", "+I 4", "+I 5"}) {
			t.Errorf("%s with %s: %q", output, tc.option, got)
		}
	}
}

// testUnreadable shows what docs/formats.md says of values that have no place in the types of the statements.
func (s *shop) testUnreadable(t *testing.T) {
	for table, tc := range map[string]struct {
		err, column string
		want        map[string]string
	}{
		"nested": {"", "`a` ARRAY<INT>", map[string]string{"dbz": "[[1,2],[3,null]]", "row": "[[1,2],[3,null]]", "can": `[["1","2"],["3",null]]`}},
		"late":   {"Invalid value for DayOfMonth", "`d` DATE", map[string]string{"dbz": "+5874897-12-31", "row": "+5874897-12-31", "can": "+5874897-12-31"}},
	} {
		for output, want := range tc.want {
			st := s.ddl["odd "+output+" public."+table]
			if r, err := s.ask(t, st.Statement+"; SELECT * FROM "+st.bounded()); err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s in %s: %v: %q", table, output, err, lines(r))
			}
			name, _, _ := strings.Cut(tc.column, " ")
			if !strings.Contains(st.Statement, tc.column) {
				t.Errorf("no %s in %s", tc.column, st.Statement)
			}
			st.Statement = strings.Replace(st.Statement, tc.column, name+" STRING", 1)
			if got := lines(s.mustAsk(t, st.Statement+"; SELECT "+name+" FROM "+st.bounded()+" WHERE id = 1")); len(got) != 1 || strings.ReplaceAll(got[0], `\`, "") != "+I "+want {
				t.Errorf("%s in %s as STRING: %q", table, output, got)
			}
		}
	}
}
