package servers

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestConnect reads one row of a MySQL server by Debezium's connector.
func TestConnect(t *testing.T) {
	if !long {
		return // the tests of bridges and of formats read what it writes
	}
	t.Parallel()
	kafka := KafkaFor(t, KafkaOptions{})
	my := MySQLFor(t, MySQLOptions{})
	db, err := my.DB("lab")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE one (id INT PRIMARY KEY); INSERT INTO one VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	connect := ConnectFor(t, kafka)
	config := map[string]string{
		"connector.class": "io.debezium.connector.mysql.MySqlConnector", "topic.prefix": "first", "database.hostname": my.Host(), "database.port": strconv.Itoa(my.Port()),
		"database.user": my.User(), "database.password": my.Password(), "database.server.id": "4711", "table.include.list": "lab.one",
		"schema.history.internal.kafka.bootstrap.servers": kafka.Brokers()[0], "schema.history.internal.kafka.topic": "history",
		"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
	}
	if err := connect.Create(t.Context(), "first", config); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); !hasTopic(t, kafka, "first.lab.one"); time.Sleep(200 * time.Millisecond) {
		if err := connect.Check(t.Context(), "first"); err != nil || time.Now().After(deadline) {
			t.Fatalf("no topic first.lab.one: %v", err)
		}
	}
	if got := readCommitted(t, kafka, "first.lab.one", 1); !strings.Contains(got[0], `"after":{"id":7}`) {
		t.Errorf("read %s", got)
	}
	config["database.password"] = "wrong"
	if err := connect.Create(t.Context(), "first", config); err == nil {
		t.Error("a wrong password was taken")
	}
	if err := connect.Delete(t.Context(), "first"); err != nil {
		t.Error(err)
	}
}

func hasTopic(t *testing.T, k *Kafka, name string) bool {
	t.Helper()
	topics, err := kadm.NewClient(kgoClient(t, k.Brokers())).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return topics.Has(name)
}
