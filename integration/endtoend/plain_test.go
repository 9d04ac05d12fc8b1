package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestPlainRows kills a daemon that writes plain-json, once as rows and once as a log of changes. The rows fold to the tables, a
// delete being a tombstone and nothing else; both have every change of the server's log, once.
func TestPlainRows(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	b := newBench(t, my, "plain")
	config := fmt.Sprintf(`
kafka: {brokers: [%s], topics: {partitions: 3}}
pipelines:
  - name: plain
    source: {%s, tables: ["%s"], exclude_tables: ["%s"]}
    snapshot: {mode: never}
    outputs:
      - {name: rows, format: plain-json, topic: "{pipeline}.rows.%[5]s"}
      - {name: log, format: plain-json, mode: changelog, topic: "{pipeline}.log.%[5]s", options: {add_fields: [op, time, pos]}}
`, strings.Join(kafka.Brokers(), ", "), b.source(), b.pattern("*"), b.pattern("uncaptured"), b.template())
	seed := harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 1))
	quiet := b.during(t, seed)
	for range harness.Longer(3, 30) {
		d := start(t, config)
		time.Sleep(time.Duration(300+r.IntN(2000)) * time.Millisecond)
		d.Kill()
	}
	d := start(t, config)
	time.Sleep(time.Second)
	quiet()
	catchUp(t, d, harness.Longer(2*time.Minute, 10*time.Minute))
	harness.StopFor(t, d)
	deletes := 0
	for _, tb := range b.tables() {
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) { // Kafka may still be making the last transaction readable
			if _, err = compareTopic(t.Context(), b, kafka.Brokers(), tb, "plain.rows."+b.topic(tb), "plain-json"); err == nil {
				break
			}
		}
		if err != nil {
			t.Error(err)
		}
		deletes += checkPlain(t, kafka.Brokers(), b.topic(tb))
	}
	if deletes == 0 {
		t.Error("nothing was deleted: the test proves little")
	}
	for _, output := range []string{"rows", "log"} {
		if err := compareLog(t.Context(), b, kafka.Brokers(), "plain."+output+"."); err != nil {
			t.Error(err)
		}
	}
}

// checkPlain holds the two topics of a table to saying deletes as their modes do, and gives the number of them.
func checkPlain(t *testing.T, brokers []string, topic string) (deletes int) {
	t.Helper()
	ends := map[string]int{}
	for _, output := range []string{"rows", "log"} {
		records, err := harness.ReadTopic(t.Context(), brokers, "plain."+output+"."+topic)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			r := &records[i]
			op := r.Headers["cdc.op"]
			if (r.Value == nil) != (op == "x") || op == "x" && output == "log" || op == "d" && output == "rows" {
				t.Fatalf("%s of %s: %v %s", output, topic, r.Headers, r.Value)
			}
			if op == "d" || op == "x" {
				ends[output]++
			}
			if output == "rows" {
				continue
			}
			var said struct {
				Op  string    `json:"__op"`
				At  time.Time `json:"__time"`
				Pos string    `json:"__pos"`
			}
			if err := json.Unmarshal(r.Value, &said); err != nil || said.Op != op || said.Pos != r.Headers["cdc.pos"] || time.Since(said.At).Abs() > time.Hour {
				t.Fatalf("%v: %+v, %v\n%s", r.Headers, said, err, r.Value)
			}
		}
	}
	if ends["rows"] < ends["log"] { // the old key of a row that moves has a tombstone too
		t.Errorf("%s: %d tombstones for %d deletes", topic, ends["rows"], ends["log"])
	}
	return ends["log"]
}

// decodePlain reads a value by the documentation of plain-json.
func (f *mysqlColumn) decodePlain(raw json.RawMessage) (string, error) {
	switch f.data {
	case "bit":
		switch string(raw) {
		case "true":
			return "1", nil
		case "false":
			return "0", nil
		}
		return strings.Trim(string(raw), `"`), nil
	case "decimal", "bigint", "date", "time":
		return strings.Trim(string(raw), `"`), nil
	case "datetime":
		return strings.Replace(strings.Trim(string(raw), `"`), "T", " ", 1), nil
	case "timestamp":
		return strings.TrimSuffix(strings.Replace(strings.Trim(string(raw), `"`), "T", " ", 1), "Z"), nil
	}
	return f.decodeDebezium(raw)
}
