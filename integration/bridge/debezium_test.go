package bridge

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
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

// steps is how many of the rows of done have been written.
func (d *debezium) steps(t *testing.T, kafka *servers.Kafka) int {
	n := 0
	_ = harness.EachRecord(t.Context(), kafka.Brokers(), d.topic(done), func(r *kgo.Record) { n++ }) // there is no topic before the first
	return n
}

// streams waits until Connect has written offsets that are behind the snapshot. Before that a connector that fails reads the tables once more, and does
// not tell which rows are gone since.
func (d *debezium) streams(t *testing.T, connect *servers.Connect) {
	t.Helper()
	eventually(t, time.Minute, func() (string, bool) {
		offsets, err := connect.Offsets(t.Context(), d.name)
		return fmt.Sprint(offsets, err), err == nil && offsets != "" && !strings.Contains(offsets, `"snapshot"`)
	})
}

// TestFromDebezium reads MySQL and PostgreSQL by Debezium, in Kafka Connect without exactly-once, which is killed while it writes and says again what it had
// said since its last offsets. The bridge is killed all the time.
func TestFromDebezium(t *testing.T) {
	began, seed := time.Now(), freshSeed(t)
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Heap: "320m"})
	my, pg := servers.MySQLFor(t, servers.MySQLOptions{}), servers.PostgresFor(t, servers.PostgresOptions{})
	connect := servers.ConnectFor(t, kafka)
	connectors := []*debezium{
		newDebezium("dbzmy", newMySQLShop(t, my, "shop"), kafka, login(my.Host(), my.Port(), my.User(), my.Password())),
		newDebezium("dbzpg", newPostgresShop(t, pg), kafka, login(pg.Host(), pg.Port(), pg.User(), pg.Password())),
	}
	bridges := []*pipeline{
		{name: "frommy", source: `topic_pattern: "dbzmy[.]shop[.].*", format: debezium-json`,
			outputs: map[string]string{"row": "plain-json", "can": "canal-json", "dbz": "debezium-json"}},
		{name: "frompg", source: `topic_pattern: "dbzpg[.]public[.].*", format: debezium-json, deduplicate: true`, says: one,
			outputs: map[string]string{"row": "plain-json", "dbz": "debezium-json"}},
	}
	for i, c := range connectors {
		bridges[i].shop = c.shop
		if err := c.shop.write(t.Context(), seed+uint64(10*i), 150, func() {}); err != nil { // what the snapshot has
			t.Fatal(err)
		}
		c.shop.step(t)
		if err := connect.Create(t.Context(), c.name, c.config); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, func() (string, bool) { return "no snapshot yet", c.steps(t, kafka) == 1 })
	}
	bridges = append(bridges, &pipeline{name: "frommyonce", shop: bridges[0].shop, source: bridges[0].source + ", deduplicate: true", says: one,
		outputs: map[string]string{"row": "plain-json"}})
	kills, r := longer(10, 100), rand.New(rand.NewPCG(seed, 1))
	var quiet []func()
	for i, c := range connectors {
		quiet = append(quiet, c.shop.during(t, seed+uint64(10*i+1), 2, shortly))
	}
	d := killed(t, config(kafka, bridges...), r, kills/2)
	for _, c := range connectors {
		c.streams(t, connect)
	}
	for range longer(1, 5) {
		time.Sleep(3 * time.Second) // there is something to say again
		if err := connect.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		running(t, d)
		for _, c := range connectors {
			if err := connect.Create(t.Context(), c.name, c.config); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.Kill()
	d = killed(t, config(kafka, bridges...), r, kills-kills/2-1)
	for i, c := range connectors {
		quiet[i]()
		c.shop.step(t)
	}
	for _, c := range connectors {
		eventually(t, 2*time.Minute, func() (string, bool) {
			if err := connect.Check(t.Context(), c.name); err != nil {
				t.Fatal(err)
			}
			return c.name + " is behind", c.steps(t, kafka) >= c.shop.steps
		})
	}
	settle(t, d, kafka.Brokers(), time.Minute, bridges...)
	stop(t, d)
	records := settle(t, nil, kafka.Brokers(), 0, bridges...)
	compacted(t, kafka, bridges...)
	facts := map[string]any{"seed": seed, "kills": kills, "records": records,
		"checked": "fold of every topic == SELECT *; every record of Debezium is in it once, or, with deduplicate, every change"}
	for i, c := range connectors {
		facts["transactions of "+c.name] = c.shop.committed.Load()
		facts["said again by "+c.name] = c.complete(t, kafka, bridges[i])
	}
	connectors[0].complete(t, kafka, bridges[2])
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
		for output := range p.outputs {
			all, err := harness.ReadTopic(t.Context(), kafka.Brokers(), p.topic(output, of))
			if err != nil {
				t.Fatal(err)
			}
			if err := accounted(origins(all), written, p.says); err != nil {
				t.Errorf("%s: %v", p.topic(output, of), err)
			}
		}
	}
	if again == 0 {
		t.Errorf("%s said nothing again: the test proves little", d.name)
	}
	return again
}
