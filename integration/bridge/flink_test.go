package bridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// keep stops Flink with the test, or reports that it did not start.
func keep(t *testing.T, f *servers.Flink, err error) *servers.Flink {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// flinkTables are the tables with the types that their columns have in Flink.
var flinkTables = []struct {
	table   table
	columns string
}{
	{customers, "id BIGINT, name STRING, balance DECIMAL(12,2), born DATE, seen TIMESTAMP(6), vip TINYINT, note STRING, PRIMARY KEY (id) NOT ENFORCED"},
	{items, "region STRING, code INT, qty INT, price DECIMAL(10,2), PRIMARY KEY (code, region) NOT ENFORCED"},
	{tags, "name STRING, n INT, label STRING, added INT, PRIMARY KEY (name) NOT ENFORCED"},
}

// upsertTable is a table over the keys and values of a topic, read to its present end.
func upsertTable(name, columns, topic string, kafka *servers.Kafka) string {
	return fmt.Sprintf(`CREATE TABLE %s (%s) WITH ('connector' = 'upsert-kafka', 'topic' = '%s', 'properties.bootstrap.servers' = '%s',
		'properties.isolation.level' = 'read_committed', 'scan.bounded.mode' = 'latest-offset', 'key.format' = 'json', 'value.format' = 'json',
		'value.json.timestamp-format.standard' = 'ISO-8601');`, name, columns, topic, strings.Join(kafka.Brokers(), ","))
}

// inFlink reads each table through what the bridge made, and then Canal's own topic in the two ways that Flink has for it.
func (c *canal) inFlink(t *testing.T, f *servers.Flink, p *pipeline) {
	ask := func(script string) (servers.FlinkResult, error) {
		return f.Run(t.Context(), servers.FlinkScript{SQL: script, Timeout: time.Minute})
	}
	for _, of := range flinkTables {
		t.Run(of.table.name, func(t *testing.T) {
			name := of.table.name
			query := "SELECT * FROM " + name
			r, err := ask(upsertTable(name, of.columns, p.topic("row", of.table), c.kafka) + query)
			if err != nil || r.Timeout {
				t.Fatalf("timeout %v: %v", r.Timeout, err)
			}
			want, err := c.shop.rows(t.Context(), of.table)
			if err != nil {
				t.Fatal(err)
			}
			if err := harness.SameRows("Flink's table", c.shop.folded(t, of.table, r), want); err != nil {
				t.Error(err)
			}

			// Its records have no keys, and Flink leaves them out without a word.
			r, err = ask(upsertTable(name, of.columns, c.topic, c.kafka) + query)
			if err == nil && harness.SameRows("Canal's topic", c.shop.folded(t, of.table, r), want) == nil {
				t.Error("Canal's topic, by upsert-kafka, gives the table without a bridge")
			}
			t.Logf("upsert-kafka over Canal's topic: %d rows, %.200v", len(r.Rows), err)

			// As Canal's format, it ends at the first message that is not of a row.
			r, err = ask(fmt.Sprintf(`CREATE TABLE %s (%s) WITH ('connector' = 'kafka', 'topic' = '%s', 'properties.bootstrap.servers' = '%s',
				'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'canal-json');`, name, of.columns, c.topic, strings.Join(c.kafka.Brokers(), ",")) + query)
			if err == nil || !strings.Contains(err.Error(), `Unknown "type" value`) {
				t.Errorf("Canal's topic, by its format: %d rows, %v", len(r.Rows), err)
			}
		})
	}
}

// folded is the table that a query's changes leave.
func (s *shop) folded(t *testing.T, of table, r servers.FlinkResult) map[string]map[string]string {
	t.Helper()
	columns, out := s.columnsNow(of), map[string]map[string]string{}
	for _, change := range r.Rows {
		if len(change.Values) != len(columns) {
			t.Fatalf("a row of %d values: %s", len(change.Values), change.Values)
		}
		row := map[string]string{}
		for i, c := range columns {
			row[c.name] = harness.Null
			if text := string(change.Values[i]); text != "null" {
				row[c.name] = c.normal(unquoted(t, text))
			}
		}
		if key := keyText(columns, row); change.Kind[0] == '-' {
			delete(out, key)
		} else {
			out[key] = row
		}
	}
	return out
}

func unquoted(t *testing.T, text string) (s string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("Flink's value %s: %v", text, err)
	}
	return s
}
