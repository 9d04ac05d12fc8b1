package kafkasource

import (
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// says runs a command on the bridge's configuration and looks for words in what it prints.
func (b *bridge) says(t *testing.T, code int, args []string, words ...string) {
	t.Helper()
	out, got := command(t, append(args, "-c", harness.ConfigFile(t, b.yaml()))...)
	if got != code {
		t.Errorf("%v ended with %d, not %d:\n%s", args, got, code, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%v does not speak of %q:\n%s", args, w, out)
		}
	}
}

// TestValidate has the preflight look at topics before anything reads them: whether they are there, what their messages are, and what
// becomes of them while a pipeline stands still.
func TestValidate(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2, "retention.ms", "3600000"), newShop(debezium, 1, 2)
	b := e.reads(t, debezium, "", s.topic)
	validate := []string{"validate", "-o", "json"} // the lines of the table break wherever they are long
	b.says(t, 0, validate, s.topic, "there is none yet", "records are deleted after 1h0m0s", "raise retention.ms", "no consumer is a member of it")
	s.write(t, table.fill(0, 30)...)
	b.says(t, 0, validate, "2 partitions", "changes of", "orders")
	b.says(t, 0, []string{"ddl", "flink"}, "CREATE TABLE `orders`", "PRIMARY KEY", b.out())
	s.write(t, message{partition: 1, key: []byte(`{"id":1}`), value: []byte(`{"op":"x"}`)})
	b.says(t, 3, validate, s.topic+"/1@", "decode", "ignore_parse_errors")
	b.source += ", ignore_parse_errors: true"
	b.says(t, 0, validate, "cannot be read", "left out")
	gone := e.reads(t, debezium, "", s.topic, s.topic+".gone")
	gone.says(t, 3, validate, "topic_missing", s.topic+".gone")
	pattern := e.finds(t, debezium, "nothing[.]like[.]it", "")
	pattern.says(t, 0, validate, "no topic matches topic_pattern")
	pattern.source += ", discovery_interval: 0"
	pattern.says(t, 3, validate, "topic_missing")
}

// TestValidateLeavesParkedRecordsOut: a pattern that the dead-letter topic matches does not mean it.
func TestValidateLeavesParkedRecordsOut(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	name := unique(t)
	s, table := e.newSource(t, name+".in", 1), newShop(debezium, 1, 1)
	s.write(t, table.fill(0, 5)...)
	dead := e.newSource(t, name+".in.dead", 1)
	dead.write(t, message{key: []byte(`{"id":1}`), value: []byte(`{"op":"x"}`)})
	b := e.finds(t, debezium, name+`\.in.*`, ", dead_letter: "+dead.topic)
	out, code := command(t, "validate", "-o", "json", "-c", harness.ConfigFile(t, b.yaml()))
	if code != 0 || !strings.Contains(out, "messages of "+s.topic) || strings.Contains(out, "messages of "+dead.topic) {
		t.Errorf("validate ended with %d:\n%s", code, out)
	}
}
