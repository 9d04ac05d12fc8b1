package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
)

// ddlRegistry wires a source that knows its tables and a format that Flink reads.
func ddlRegistry(tables []*changelog.Table, err error) config.Registry {
	return config.Registry{
		Sources: []capture.Kind{
			{Name: "told", Config: func() capture.Config { return &toldSource{tables: tables, err: err} }},
			{Name: "fake", Config: func() capture.Config { return &fakeSource{} }},
		},
		Formats: []formats.Kind{
			{Name: "rows", Config: func() formats.Config { return &rowsFormat{} }},
			{Name: "lines", Config: func() formats.Config { return &fakeFormat{} }},
		},
	}
}

type toldSource struct {
	fakeSource
	tables []*changelog.Table
	err    error
}

func (s *toldSource) Checker(capture.Env) capture.Checker { return s }

func (s *toldSource) Describe(context.Context) ([]*changelog.Table, error) { return s.tables, s.err }

type rowsFormat struct{ fakeFormat }

func (*rowsFormat) Format(formats.Env) formats.Format { return rowsDescriber{} }

type rowsDescriber struct{}

func (rowsDescriber) Compile(*changelog.Table, formats.Options) (formats.Encoder, error) {
	return nil, errors.New("nothing is written here")
}

func (rowsDescriber) Flink(t *changelog.Table, o formats.Options) (formats.FlinkTable, error) {
	if t.Name == "odd" {
		return formats.FlinkTable{}, fault.NewFinal(fault.UnsupportedType, "describing odd", errors.New("it has a type of its own"), "Leave it out.")
	}
	out := formats.FlinkTable{Connector: "kafka", Event: "at", Remarks: []string{"Mind\nthe gap."}, Options: []formats.FlinkOption{{Name: "format", Value: "it's json"}}}
	if out.Append = !o.Upsert; o.Upsert {
		out.Connector = "upsert-kafka"
	}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, formats.FlinkColumn{Name: c.Name, Type: "BIGINT"})
	}
	out.Columns[0].Note = "a note"
	out.Columns = append(out.Columns, formats.FlinkColumn{Name: "twice", From: "`id` * 2"})
	out.Metadata = []formats.FlinkColumn{{Name: "at", Type: "TIMESTAMP_LTZ(3)", From: "timestamp"}, {Name: "__op", Type: "STRING"}}
	return out, nil
}

func flinkTestTables() []*changelog.Table {
	table := func(db, name string, key ...int) *changelog.Table {
		return &changelog.Table{Origin: "mysql", Database: db, Name: name, Columns: []changelog.Column{{Name: "id"}, {Name: "a`b", Comment: "it's"}}, Key: key, Comment: "of " + name}
	}
	return []*changelog.Table{table("shop", "orders", 1, 0), table("shop", "users", 0), table("crm", "users", 0)}
}

func flinkConfig(t *testing.T, pipelines string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("kafka: {brokers: ['a:1', 'b:2']}\npipelines: "+pipelines), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDDLFlink(t *testing.T) {
	file := flinkConfig(t, "[{name: p, source: {type: told}, format: rows}]")
	code, out, errs := call(ddlRegistry(flinkTestTables(), nil), "ddl", "flink", "-c", file, "shop.orders")
	want := "-- shop.orders of pipeline p\n-- Mind the gap.\n" +
		"CREATE TABLE `orders` (\n" +
		"  `id` BIGINT, -- a note\n" +
		"  `a``b` BIGINT COMMENT 'it''s',\n" +
		"  `twice` AS `id` * 2,\n" +
		"  `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,\n" +
		"  `__op` STRING,\n" +
		"  PRIMARY KEY (`a``b`, `id`) NOT ENFORCED,\n" +
		"  WATERMARK FOR `at` AS `at` - INTERVAL '1' SECOND\n" +
		") COMMENT 'of orders' WITH (\n" +
		"  'connector' = 'upsert-kafka',\n" +
		"  'topic' = 'p.shop.orders',\n" +
		"  'properties.bootstrap.servers' = 'a:1,b:2',\n" +
		"  'properties.isolation.level' = 'read_committed',\n" +
		"  'format' = 'it''s json'\n);\n"
	if code != exitOK || out != want {
		t.Errorf("%d %s\n%s\nwant\n%s", code, errs, out, want)
	}
	code, out, _ = call(ddlRegistry(flinkTestTables(), nil), "ddl", "flink", "-c", flinkConfig(t, "[{name: p, source: {type: told}, format: rows, mode: changelog}]"), "--no-watermark", "--brokers", "kafka:9092", "shop.orders")
	if code != exitOK || strings.Contains(out, "WATERMARK") || strings.Contains(out, "PRIMARY KEY") || !strings.Contains(out, "'connector' = 'kafka'") || !strings.Contains(out, "'scan.startup.mode' = 'earliest-offset'") || !strings.Contains(out, "'kafka:9092'") {
		t.Errorf("%d %s", code, out)
	}
}

// TestDDLFlinkOfShards: what an output adds is in the statement, and one statement reads all shards of a topic.
func TestDDLFlinkOfShards(t *testing.T) {
	file := flinkConfig(t, "[{name: p, source: {type: told}, format: rows, topic: \"{table}\", key_prefix: shard, metadata: [{name: shard, from: source.database}, {name: what, from: op, as: header}]}]")
	code, out, errs := call(ddlRegistry(flinkTestTables(), nil), "ddl", "flink", "-c", file, "*.users")
	if code != exitOK || strings.Count(out, "CREATE TABLE") != 1 || !strings.Contains(out, "CREATE TABLE `users` (") || !strings.Contains(out, "\n  `shard` BIGINT,\n") || !strings.Contains(out, "PRIMARY KEY (`shard`, `id`)") ||
		!strings.Contains(out, "'topic' = 'users'") || strings.Contains(out, "what") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}

// TestDDLFlinkNames: every table has a name of its own, the shortest that is one.
func TestDDLFlinkNames(t *testing.T) {
	names := func(pipelines string, args ...string) []string {
		t.Helper()
		code, out, errs := call(ddlRegistry(flinkTestTables(), nil), append([]string{"ddl", "flink", "-o", "json", "-c", flinkConfig(t, pipelines)}, args...)...)
		var got []flinkStatement
		if code != exitOK {
			t.Fatalf("%d %s", code, errs)
		}
		mustJSON(t, out, &got)
		var names []string
		for _, s := range got {
			if !strings.Contains(s.Statement, "\nCREATE TABLE "+flinkName(s.Name)+" (\n") || strings.HasSuffix(s.Statement, ";") {
				t.Errorf("%s: %s", s.Name, s.Statement)
			}
			names = append(names, s.Output+":"+s.Table+"="+s.Name)
		}
		return names
	}
	for _, c := range []struct{ pipelines, args, want string }{
		{"[{name: p, source: {type: told}, format: rows}]", "", "rows:shop.orders=orders rows:shop.users=shop_users rows:crm.users=crm_users"},
		{"[{name: p, source: {type: told}, format: rows, mode: changelog, topic: all}]", "", "rows:shop.orders=orders rows:shop.users=shop_users rows:crm.users=crm_users"},
		{"[{name: p, source: {type: told}, outputs: [{name: a, format: rows, tables: [shop.*]}, {name: b, format: rows, topic: \"b.{schema}.{table}\"}]}]", "", "a:shop.orders=p.shop.orders a:shop.users=p.shop.users b:shop.orders=b.shop.orders b:shop.users=b.shop.users b:crm.users=crm_users"},
		{"[{name: p, source: {type: told}, outputs: [{name: a, format: rows}, {name: b, format: rows, topic: \"b.{schema}.{table}\"}]}]", "--output-name=b", "b:shop.orders=orders b:shop.users=shop_users b:crm.users=crm_users"},
		{"[{name: p, source: {type: told}, format: rows, mode: changelog, topic: all}, {name: q, source: {type: told}, format: rows, mode: changelog, topic: all}]", "shop.users", "rows:shop.users=all rows:shop.users=shop_users_2"},
		{"[{name: p, source: {type: told}, format: rows}, {name: q, source: {type: told}, format: rows}]", "--pipeline=q", "rows:shop.orders=orders rows:shop.users=shop_users rows:crm.users=crm_users"},
	} {
		if got := strings.Join(names(c.pipelines, strings.Fields(c.args)...), " "); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.pipelines, c.args, got, c.want)
		}
	}
}

func TestDDLFlinkSaysWhatIsWrong(t *testing.T) {
	good := "[{name: p, source: {type: told}, format: rows}]"
	odd := flinkTestTables()[0]
	odd.Name = "odd"
	for _, c := range []struct {
		pipelines, args string
		tables          []*changelog.Table
		err             error
		code            int
		want            string
	}{
		{good, "nope.*", flinkTestTables(), nil, exitUsage, "no captured table of the configuration fits"},
		{good, "--pipeline=q", flinkTestTables(), nil, exitUsage, "no captured table of the configuration fits"},
		{good, "orders", flinkTestTables(), nil, exitUsage, "orders"},
		{good, "--watermark=-1s", flinkTestTables(), nil, exitUsage, "must not be negative"},
		{good, "", nil, fault.NewFinal(fault.Permission, "connecting", errors.New("no"), "Ask."), exitFailure, "pipeline p: permission: connecting: no"},
		{good, "", []*changelog.Table{odd}, nil, exitFailure, "it has a type of its own"},
		{good, "", []*changelog.Table{{Name: "keyless", Database: "d"}}, nil, exitFailure, "has no primary key"},
		{"[{name: p, source: {type: told}, format: lines}]", "", flinkTestTables(), nil, exitConfig, "Flink SQL does not read its format"},
		{"[{name: p, source: {type: fake}, format: rows}]", "", nil, nil, exitConfig, "a source of the type fake cannot tell them"},
	} {
		args := append([]string{"ddl", "flink", "-c", flinkConfig(t, c.pipelines)}, strings.Fields(c.args)...)
		code, out, errs := call(ddlRegistry(c.tables, c.err), args...)
		if code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%s %s: %d %q %q", c.pipelines, c.args, code, out, errs)
		}
	}
}

func TestDDLFlinkWhereTheBrokersAsk(t *testing.T) {
	file := flinkConfig(t, "[{name: p, source: {type: told}, format: rows}]\n")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	secured := strings.Replace(string(text), "'b:2']", "'b:2'], sasl: {mechanism: plain, user: u, password: hidden}", 1)
	if err := os.WriteFile(file, []byte(secured), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(ddlRegistry(flinkTestTables(), nil), "ddl", "flink", "-c", file, "shop.orders", "--watermark", "2m500ms")
	if code != exitOK || !strings.HasPrefix(out, "-- The brokers ask who connects") || strings.Contains(out, "hidden") || !strings.Contains(out, "INTERVAL '120.500' SECOND(9)") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}
