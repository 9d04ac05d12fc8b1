package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestInitValidateRun goes from an address to records in Kafka with no editing: both databases, and a topic of one of them.
func TestInitValidateRun(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	brokers := strings.Join(kafka.Brokers(), ",")
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	db, err := my.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE TABLE orders (id INT PRIMARY KEY, line VARCHAR(9))", "CREATE TABLE log (line VARCHAR(9))", "INSERT INTO orders VALUES (1, 'a'), (2, 'b')"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	pg := servers.PostgresFor(t, servers.PostgresOptions{})
	if _, err := pg.DB("shop"); err != nil {
		t.Fatal(err)
	}
	if err := pg.Exec(t.Context(), "shop", `CREATE TABLE "Odd $ Table" (id INT PRIMARY KEY)`, "CREATE TABLE log (line TEXT)", `INSERT INTO "Odd $ Table" VALUES (7), (8)`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, address, variable, password, topic, table string
	}{
		{"my", "mysql://" + my.User() + "@" + my.Addr() + "/shop", "MYSQL_PASSWORD", my.Password(), "my.shop.orders", "shop.orders"},
		{"pg", "postgres://" + pg.User() + ":" + pg.Password() + "@" + pg.Addr() + "/shop", "POSTGRES_PASSWORD", pg.Password(), "pg.public.Odd___Table", `- "public.Odd $$ Table"`},
		{"again", "kafka://" + brokers + "/my.shop.orders", "NOTHING", "", "again.shop.orders", "format: debezium-json"},
	} {
		file := filepath.Join(t.TempDir(), "cdcbridge.yaml")
		t.Setenv(c.variable, c.password) // for the commands; so the test is not parallel
		exit, out, errs := harness.Command(t, "init", c.address, "--brokers", brokers, "--name", c.name, "-c", file)
		if exit != 0 {
			t.Fatalf("%s: init exits with %d: %s%s", c.name, exit, out, errs)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), c.table) || strings.Contains(string(text), "\n        - public.log") || strings.Contains(string(text), "\n        - shop.log") {
			t.Errorf("%s: init has written\n%s", c.name, text)
		}
		if exit, out, errs := harness.Command(t, "validate", "-c", file); exit != 0 {
			t.Errorf("%s: validate exits with %d: %s%s", c.name, exit, out, errs)
		}
		harness.StartFor(t, string(text))
		for patience := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			n := 0
			err := harness.EachRecord(t.Context(), kafka.Brokers(), c.topic, func(*kgo.Record) { n++ })
			if err == nil && n >= 2 {
				break
			}
			if time.Now().After(patience) {
				t.Fatalf("%s: %d records in %s: %v", c.name, n, c.topic, err)
			}
		}
	}
}
