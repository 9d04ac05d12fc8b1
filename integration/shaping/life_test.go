package shaping

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestRulesInTheLifeOfATable: what describes the topic to its readers has its form, another filter has its rows after a snapshot, and a column that a
// rule names and the table no longer has stops the pipeline before anything that it was to hide is written.
func TestRulesInTheLifeOfATable(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for name, open := range map[string]func(t *testing.T) *side{
		"mysql":    func(t *testing.T) *side { return newMySQL(t, "FULL") },
		"postgres": func(t *testing.T) *side { return newPostgres(t, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live(t, kafka.Brokers(), open(t), "life-"+name)
		})
	}
}

func live(t *testing.T, brokers []string, s *side, name string) {
	s.exec(t, "INSERT INTO people VALUES (1, 1, 'new', 5, 'a@b.c', 'hello', NULL, 'never to be seen'), (2, 1, 'draft', 5, NULL, NULL, NULL, NULL), (3, 1, 'new', 1, NULL, 'x', NULL, NULL)")
	config := s.config(name, brokers, true)
	file := harness.ConfigFile(t, config)
	exit, out, errs := harness.Command(t, "ddl", "flink", "-c", file, "--output-name", "rows")
	for _, want := range []string{"`person` BIGINT", "PRIMARY KEY (`person`)", "`mail_hash` STRING", "`note` STRING"} {
		if exit != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %s in\n%s%s", exit, want, out, errs)
		}
	}
	if strings.Contains(out, "secret") {
		t.Errorf("a column that is left out is in\n%s", out)
	}
	d := harness.StartFor(t, config)
	s.settle(t, brokers, name, time.Minute)
	harness.StopFor(t, d)

	wider := strings.Replace(config, "qty > 3 or", "qty > 0 or", 1)
	d = harness.StartFor(t, wider)
	harness.StateFor(t, d, time.Minute, "running")
	if exit, out, errs := harness.Command(t, "snapshot", s.schema+".people", "--wait", "-c", d.Config()); exit != 0 {
		t.Fatalf("exit %d: %s%s", exit, out, errs)
	}
	now := s.outputs()[0]
	now.where = strings.Replace(now.where, "qty > 3", "qty > 0", 1)
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := s.folded(t.Context(), brokers, name, now)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}

	s.exec(t, "ALTER TABLE people RENAME COLUMN secret TO hidden")
	s.exec(t, "INSERT INTO people VALUES (9, 1, 'new', 5, NULL, NULL, NULL, 'never to be seen')")
	if state := harness.StateFor(t, d, time.Minute, "failed"); state.Code != "config" || !strings.Contains(state.Error, `no column "secret"`) {
		t.Errorf("the pipeline says %s: %s", state.Code, state.Error)
	}
	if _, err := s.folded(t.Context(), brokers, name, now); err == nil || !strings.Contains(err.Error(), "lacks the row 9") {
		t.Errorf("the topic is not as before: %v", err)
	}
	if exit, out, _ := harness.Command(t, "validate", "-o", "json", "-c", d.Config()); exit != 3 || !strings.Contains(out, `no column \"secret\"`) {
		t.Errorf("validate ends with %d:\n%s", exit, out)
	}
}
