package servers

import (
	"strings"
	"testing"
)

// TestCanal reads a table and its row from a MySQL server by Canal.
func TestCanal(t *testing.T) {
	if !long {
		return // the tests of bridges read what it writes
	}
	t.Parallel()
	kafka := KafkaFor(t, KafkaOptions{})
	my := MySQLFor(t, MySQLOptions{})
	db, err := my.DB("lab")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	o := CanalOptions{File: "binlog.000001", Offset: 4, Tables: `lab\..*`, Topic: "first"}
	canal := CanalFor(t, my, kafka, o)
	if _, err := db.Exec("CREATE TABLE one (id INT PRIMARY KEY); INSERT INTO one VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(readCommitted(t, kafka, o.Topic, 3), "\n")
	for _, part := range []string{`"type":"QUERY"`, `"type":"CREATE"`, `{"data":[{"id":"7"}],"database":"lab",`} {
		if !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
	if err := canal.Check(); err != nil {
		t.Error(err)
	}
}
