package bridge

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"

	"github.com/twmb/franz-go/pkg/kgo"
)

// debezium is a connector of a database that writes topics {name}.{schema}.{table} of three partitions.
type debezium struct {
	name   string
	shop   *shop
	config map[string]string
}

func (d *debezium) topic(t table) string { return d.name + "." + d.shop.schema + "." + t.name }

// newDebezium is the configuration of a connector. Both kinds of messages are had: those of MySQL have schemas, those of PostgreSQL have none, and
// then texts in place of the forms that nobody could tell from numbers.
func newDebezium(name string, s *shop, kafka *servers.Kafka, server map[string]string) *debezium {
	d := &debezium{name, s, map[string]string{
		"topic.prefix": name, "tasks.max": "1", "topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "1",
		"table.include.list": s.schema + `\..*`,
	}}
	maps.Copy(d.config, server)
	if s.mysql != nil {
		d.config["connector.class"] = "io.debezium.connector.mysql.MySqlConnector"
		d.config["database.server.id"] = "90017"
		d.config["schema.history.internal.kafka.bootstrap.servers"] = strings.Join(kafka.Brokers(), ",")
		d.config["schema.history.internal.kafka.topic"] = "history-" + name
	} else {
		d.config["connector.class"] = "io.debezium.connector.postgresql.PostgresConnector"
		d.config["database.dbname"], d.config["plugin.name"] = "shop", "pgoutput"
		for _, side := range []string{"key", "value"} {
			d.config[side+".converter"], d.config[side+".converter.schemas.enable"] = "org.apache.kafka.connect.json.JsonConverter", "false"
		}
		d.config["decimal.handling.mode"], d.config["time.precision.mode"] = "string", "isostring"
	}
	return d
}

// login are a connector's settings for a server.
func login(host string, port int, user, password string) map[string]string {
	return map[string]string{"database.hostname": host, "database.port": strconv.Itoa(port), "database.user": user, "database.password": password}
}

// written are the changes that a connector has written, by what they are in the database; the values are the records that say so, as "topic/partition@offset".
func (d *debezium) written(t *testing.T, kafka *servers.Kafka, of table) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := harness.EachRecord(t.Context(), kafka.Brokers(), d.topic(of), func(r *kgo.Record) {
		if r.Value == nil {
			return
		}
		var m struct {
			Op     string
			Source struct {
				File     string
				Pos, Row json.Number
				TxID     json.Number `json:"txId"`
				LSN      json.Number `json:"lsn"`
			}
			Payload json.RawMessage
		}
		err := json.Unmarshal(r.Value, &m)
		if err == nil && m.Payload != nil {
			err = json.Unmarshal(m.Payload, &m)
		}
		if err != nil || m.Op == "" {
			t.Fatalf("Debezium wrote %s: %v", r.Value, err)
		}
		id := fmt.Sprint(m.Op, " ", m.Source, " ", string(r.Key))
		out[id] = append(out[id], fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset))
	})
	if err != nil {
		t.Fatalf("reading %s: %v", d.topic(of), err)
	}
	return out
}

// folds checks that the topics of the connector have the keys of the tables: what it does not say nobody can write.
func (d *debezium) folds(t *testing.T, kafka *servers.Kafka) error {
	t.Helper()
	for _, of := range tables {
		all, err := harness.ReadTopic(t.Context(), kafka.Brokers(), d.topic(of))
		if err != nil {
			t.Fatal(err)
		}
		want, err := d.shop.rows(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		got := harness.Fold(all)
		for key := range got {
			var k struct{ Payload json.RawMessage }
			text := json.RawMessage(key)
			if err := json.Unmarshal(text, &k); err == nil && k.Payload != nil {
				text = k.Payload
			}
			row, err := messageRow("plain-json", text, slices.DeleteFunc(slices.Clone(of.columns), func(c column) bool { return !c.key }))
			if err != nil {
				t.Fatalf("%s has the key %s: %v", d.topic(of), key, err)
			}
			if _, ok := want[keyText(of.columns, row)]; !ok {
				return fmt.Errorf("Debezium has written no end of the row %s of %s", key, of.name)
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("Debezium has written %d rows of %s, which has %d", len(got), of.name, len(want))
		}
	}
	return nil
}

// steps is how many of the rows of done have been written.
func (d *debezium) steps(t *testing.T, kafka *servers.Kafka) int {
	n := 0
	_ = harness.EachRecord(t.Context(), kafka.Brokers(), d.topic(done), func(*kgo.Record) { n++ }) // there is no topic before the first
	return n
}

// streams waits until Connect has written offsets that are behind the snapshot. Before that a connector that fails reads the tables once more, and does
// not tell which rows are gone since.
func (d *debezium) streams(t *testing.T, connect *servers.Connect) {
	t.Helper()
	eventually(t, 2*time.Minute, func() (string, bool) {
		offsets, err := connect.Offsets(t.Context(), d.name)
		return fmt.Sprint(offsets, err), err == nil && offsets != "" && !strings.Contains(offsets, `"snapshot"`)
	})
}

// debeziums are the connectors of a MySQL and a PostgreSQL server, in one Kafka Connect, and the bridges of their topics.
type debeziums struct {
	kafka   *servers.Kafka
	connect *servers.Connect
	all     []*debezium
	bridges []*pipeline
}

func newDebeziums(t *testing.T) *debeziums {
	t.Helper()
	d := &debeziums{kafka: servers.KafkaFor(t, servers.KafkaOptions{Heap: "320m"})}
	my, pg := servers.MySQLFor(t, servers.MySQLOptions{}), servers.PostgresFor(t, servers.PostgresOptions{})
	d.connect = servers.ConnectFor(t, d.kafka)
	d.all = []*debezium{
		newDebezium("dbzmy", newMySQLShop(t, my, "shop"), d.kafka, login(my.Host(), my.Port(), my.User(), my.Password())),
		newDebezium("dbzpg", newPostgresShop(t, pg), d.kafka, login(pg.Host(), pg.Port(), pg.User(), pg.Password())),
	}
	fromMy, fromPG := `topic_pattern: "dbzmy[.]shop[.].*", format: debezium-json`, `topic_pattern: "dbzpg[.]public[.].*", format: debezium-json, deduplicate: true`
	d.bridges = []*pipeline{
		{name: "frommy", shop: d.all[0].shop, source: fromMy, outputs: map[string]string{"row": "plain-json", "can": "canal-json", "dbz": "debezium-json"}},
		{name: "frompg", shop: d.all[1].shop, source: fromPG, says: one, outputs: map[string]string{"row": "plain-json", "dbz": "debezium-json"}},
		{name: "frommyonce", shop: d.all[0].shop, source: fromMy + ", deduplicate: true", says: one, outputs: map[string]string{"row": "plain-json"}},
	}
	return d
}

// begin fills the tables for the snapshots and starts the connectors.
func (d *debeziums) begin(t *testing.T, seed uint64) {
	t.Helper()
	for i, c := range d.all {
		if err := c.shop.write(t.Context(), seed+uint64(10*i), 150, func() {}); err != nil {
			t.Fatal(err)
		}
		c.shop.step(t)
		if err := d.connect.Create(t.Context(), c.name, c.config); err != nil {
			t.Fatal(err)
		}
		eventually(t, 2*time.Minute, func() (string, bool) { return "no snapshot yet", c.steps(t, d.kafka) == 1 })
	}
}

// restart kills Connect when there is something to say again.
func (d *debeziums) restart(t *testing.T) {
	t.Helper()
	for _, c := range d.all {
		c.streams(t, d.connect)
	}
	time.Sleep(3 * time.Second)
	if err := d.connect.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range d.all {
		if err := d.connect.Create(t.Context(), c.name, c.config); err != nil {
			t.Fatal(err)
		}
	}
}

// caughtUp waits until the connectors have written all of it.
func (d *debeziums) caughtUp(t *testing.T) {
	t.Helper()
	for _, c := range d.all {
		c.shop.step(t)
		eventually(t, 2*time.Minute, func() (string, bool) {
			if err := d.connect.Check(t.Context(), c.name); err != nil {
				t.Fatal(err)
			}
			return c.name + " is behind", c.steps(t, d.kafka) >= c.shop.steps
		})
		eventually(t, time.Minute, func() (string, bool) { // the last row can be there before others are
			err := c.folds(t, d.kafka)
			return fmt.Sprint(err), err == nil
		})
	}
}

// TestFromDebezium reads MySQL and PostgreSQL by Debezium, in Kafka Connect without exactly-once, which is killed while it writes and says again what it had
// said since its last offsets. The bridge is killed all the time.
func TestFromDebezium(t *testing.T) {
	began, seed := time.Now(), harness.FreshSeed(t)
	d := newDebeziums(t)
	d.begin(t, seed)
	kills, r := harness.Longer(10, 100), rand.New(rand.NewPCG(seed, 1))
	var quiet []func()
	for i, c := range d.all {
		quiet = append(quiet, c.shop.during(t, seed+uint64(10*i+1), 2, shortly))
	}
	daemon := killed(t, config(d.kafka, d.bridges...), r, kills/2)
	for range harness.Longer(1, 5) {
		d.restart(t)
		running(t, daemon)
	}
	daemon.Kill()
	daemon = killed(t, config(d.kafka, d.bridges...), r, kills-kills/2-1)
	for _, stop := range quiet {
		stop()
	}
	d.caughtUp(t)
	settle(t, daemon, d.kafka.Brokers(), 2*time.Minute, d.bridges...)
	harness.StopFor(t, daemon)
	facts := map[string]any{"seed": seed, "kills": kills, "records": settle(t, nil, d.kafka.Brokers(), 0, d.bridges...),
		"checked": "fold of every topic == SELECT *; every record of Debezium is in it once, or, with deduplicate, every change"}
	compacted(t, d.kafka, d.bridges...)
	for i, c := range d.all {
		facts["transactions of "+c.name] = c.shop.committed.Load()
		facts["said again by "+c.name] = c.complete(t, d.kafka, d.bridges[i])
	}
	d.all[0].complete(t, d.kafka, d.bridges[2])
	t.Log(facts)
	harness.Evidence(t, began, facts)
}

// complete checks that a bridge has every record of the connector, or every change once if it takes out what is said again. It returns how many are.
func (d *debezium) complete(t *testing.T, kafka *servers.Kafka, p *pipeline) (again int) {
	t.Helper()
	for _, of := range tables {
		written := d.written(t, kafka, of)
		for _, records := range written {
			again += len(records) - 1
		}
		p.complete(t, kafka.Brokers(), of, written)
	}
	if again == 0 {
		t.Errorf("%s said nothing again: the test proves little", d.name)
	}
	return again
}
