package endtoend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestPauseOutlivesKill pauses a pipeline, kills the daemon, and resumes: nothing is written meanwhile, and each row is there once after.
func TestPauseOutlivesKill(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	db, err := my.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE orders (id INT PRIMARY KEY)")
	exec("INSERT INTO orders VALUES (1)")
	config := fmt.Sprintf(`
kafka: {brokers: [%s]}
pipelines:
  - name: p
    source: {type: mysql, host: %s, port: %d, user: %s, password: "%s", tables: [shop.orders]}
    format: debezium-json
`, strings.Join(kafka.Brokers(), ", "), my.Host(), my.Port(), my.User(), my.Password())
	count := func() (n int) {
		if err := harness.EachRecord(t.Context(), kafka.Brokers(), "p.shop.orders", func(*kgo.Record) { n++ }); err != nil {
			return -1 // there is no topic yet
		}
		return n
	}
	await := func(want int) {
		t.Helper()
		for patience := time.Now().Add(time.Minute); count() != want; time.Sleep(200 * time.Millisecond) {
			if time.Now().After(patience) {
				t.Fatalf("%d records, want %d", count(), want)
			}
		}
	}
	state := func(d *harness.Daemon, want string) {
		t.Helper()
		harness.StateFor(t, d, time.Minute, want)
	}
	ask := func(d *harness.Daemon, what string) {
		t.Helper()
		if exit, out, errs := harness.Command(t, what, "p", "-c", d.Config()); exit != 0 {
			t.Fatalf("%s exits with %d: %s%s", what, exit, out, errs)
		}
	}
	first := harness.StartFor(t, config)
	await(1)
	ask(first, "pause")
	state(first, "paused")
	exec("INSERT INTO orders VALUES (2), (3)")
	first.Kill()
	second := harness.StartFor(t, config)
	state(second, "paused")
	if code, body, err := second.Get(t.Context(), "/readyz"); code != 200 || err != nil {
		t.Errorf("/readyz answers %d %s, %v", code, body, err)
	}
	time.Sleep(3 * time.Second) // longer than a daemon needs that does not know of the pause
	if n := count(); n != 1 {
		t.Errorf("%d records while it is paused", n)
	}
	ask(second, "resume")
	state(second, "running")
	await(3)
	ask(second, "pause")
	state(second, "paused")
	harness.StopFor(t, second) // a paused one
	if n := count(); n != 3 {
		t.Errorf("%d records at the end", n)
	}
}
