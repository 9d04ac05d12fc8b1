package kafkasource

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/upsert"
)

// bad is a record that cannot be read.
type bad struct {
	name  string
	of    dialect
	key   string
	value string
	code  string
	words []string // that the error must have
}

// badRecords are of every kind. Each has a partition with good records before and behind it.
var badRecords = []bad{
	{"CutShort", debezium, `{"id":1}`, `{"before":null,"after":{"id":1,"item":"x"`, "decode", nil},
	{"NotJSON", debezium, `{"id":1}`, `not json`, "decode", nil},
	{"NotUTF8", debezium, `{"id":1}`, "{\"before\":null,\"after\":{\"id\":1,\"item\":\"\xff\",\"n\":1},\"op\":\"c\"}", "decode", []string{"UTF-8"}},
	{"TwoValues", debezium, `{"id":1}`, `{"after":{"id":1,"item":"x","n":1},"op":"c"} {}`, "decode", nil},
	{"UnknownOp", debezium, `{"id":1}`, `{"before":null,"after":{"id":1,"item":"x","n":1},"op":"z"}`, "decode", []string{"z"}},
	{"NoOp", debezium, `{"id":1}`, `{"id":1,"item":"x","n":1}`, "decode", []string{"op"}},
	{"NoAfter", debezium, `{"id":1}`, `{"before":null,"after":null,"op":"c"}`, "decode", []string{"after"}},
	{"BadKey", debezium, `{"id":`, `{"before":null,"after":{"id":1,"item":"x","n":1},"op":"c"}`, "decode", []string{"key"}},
	{"PayloadOfNothing", debezium, `{"id":1}`, `{"schema":{"type":"struct","fields":[]},"payload":"text"}`, "decode", nil},
	{"SchemaOfAnotherKind", debezium, `{"id":1}`, `{"schema":{"type":"struct","fields":[{"type":"int32","field":"x"}]},"payload":{"before":null,"after":{"id":1,"item":"x","n":1},"op":"c"}}`, "decode", nil},
	{"CanalCutShort", canal, "", `{"data":[{"id":"1"`, "decode", nil},
	{"CanalUnknownType", canal, "", `{"data":[{"id":"1","item":"x","n":"1"}],"database":"shop","table":"orders","es":1,"isDdl":false,"pkNames":["id"],"type":"MERGE"}`, "decode", []string{"MERGE"}},
	{"CanalWrongNumber", canal, "", `{"data":[{"id":"one","item":"x","n":"1"}],"database":"shop","table":"orders","es":1,"isDdl":false,"mysqlType":{"id":"int","item":"varchar(40)","n":"int"},"pkNames":["id"],"type":"INSERT"}`, "decode", []string{"id"}},
	{"CanalKeyNotAmongColumns", canal, "", `{"data":[{"id":"1","item":"x","n":"1"}],"database":"shop","table":"orders","es":1,"isDdl":false,"mysqlType":{"id":"int","item":"varchar(40)","n":"int"},"pkNames":["no"],"type":"INSERT"}`, "decode", []string{"no"}},
	{"RowNotJSON", rows, `{"id":1}`, `{"id":1`, "decode", nil},
	{"RowWithoutItsKey", rows, `{"id":1}`, `{"item":"x","n":1}`, "decode", []string{"id"}},
	{"RowWithNeither", rows, "", "", "decode", nil},
}

func (b *bad) message(partition int32) message {
	m := message{partition: partition, bad: b}
	if b.key != "" {
		m.key = []byte(b.key)
	}
	if b.value != "" {
		m.value = []byte(b.value)
	}
	return m
}

// TestBadRecordStops stops at a record that cannot be read, and says where it is and what is wrong with it. What comes before it is
// written, nothing behind it is, and a restart changes nothing about that.
func TestBadRecordStops(t *testing.T) {
	for _, c := range badRecords {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s, table := e.newSource(t, unique(t)+".in.orders", 1), newShop(c.of, 1, 1)
			s.write(t, table.fill(100, 103)...)
			good := sorted(s.changes)
			s.write(t, c.message(0))
			s.write(t, table.fill(103, 106)...)
			b := e.reads(t, c.of, "", s.topic)
			words := append([]string{s.topic, "3"}, c.words...)
			b.fails(t, c.code, words...).Kill()
			b.got(t, good...)
		})
	}
}

// skips reads all bad records of a dialect among good ones.
func skips(t *testing.T, e *env, d dialect, more string) (b bridge, s *source, table *shop, parked map[int64]bad) {
	t.Helper()
	s, table = e.newSource(t, unique(t)+".in.orders", 1), newShop(d, 1, 1)
	parked = map[int64]bad{}
	s.write(t, table.fill(100, 103)...)
	at := int64(len(s.changes))
	for _, c := range badRecords {
		if c.of.format == d.format {
			s.write(t, c.message(0))
			parked[at] = c
			s.write(t, table.fill(int(200+at), int(201+at))...)
			at += 2
		}
	}
	b = e.reads(t, d, more, s.topic)
	return b, s, table, parked
}

// TestIgnoreParseErrors leaves bad records out and counts them.
func TestIgnoreParseErrors(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.format, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			b, s, table, parked := skips(t, e, d, ", ignore_parse_errors: true")
			daemon := b.running(t)
			b.holds(t, table.table(), s)
			counts(t, daemon, "cdcbridge_source_skipped_records_total", len(parked))
			counts(t, daemon, "cdcbridge_source_parked_records_total", 0)
			e.noLag(t, "cdcbridge-"+b.name, s.topic)
		})
	}
}

// counts waits until a counter of the daemon, which runs one pipeline, is n.
func counts(t *testing.T, d *harness.Daemon, name string, n int) {
	t.Helper()
	eventually(t, func() error {
		_, body, err := d.Get(t.Context(), "/metrics")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(body)) {
			if rest, ok := strings.CutPrefix(line, name+"{"); ok {
				if _, value, _ := strings.Cut(strings.TrimSpace(rest), "} "); value != strconv.Itoa(n) {
					return fmt.Errorf("%s is %s, not %d", name, value, n)
				}
				return nil
			}
		}
		return fmt.Errorf("there is no %s", name)
	})
}

// TestDeadLetter parks bad records as they are, with what tells where they were and why, and counts them.
func TestDeadLetter(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.format, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			dead := unique(t) + ".dead"
			b, s, table, parked := skips(t, e, d, ", dead_letter: "+dead)
			daemon := b.running(t)
			b.holds(t, table.table(), s)
			b.parks(t, dead, s, parked)
			counts(t, daemon, "cdcbridge_source_parked_records_total", len(parked))
			counts(t, daemon, "cdcbridge_source_skipped_records_total", len(parked))
			daemon.Kill()
			s.write(t, table.fill(300, 303)...)
			b.running(t)
			b.holds(t, table.table(), s)
			b.parks(t, dead, s, parked)
		})
	}
}

// parks waits until the dead-letter topic has exactly these records.
func (b *bridge) parks(t *testing.T, dead string, s *source, parked map[int64]bad) {
	t.Helper()
	eventually(t, func() error {
		records, err := b.e.read(t.Context(), dead)
		if err != nil {
			return err
		}
		seen := map[int64]bool{}
		for _, r := range records {
			h := r.Headers
			offset, err := strconv.ParseInt(h[upsert.HeaderParkedOffset], 10, 64)
			c, ok := parked[offset]
			switch {
			case err != nil || !ok || h[upsert.HeaderParkedTopic] != s.topic || h[upsert.HeaderParkedPartition] != "0":
				t.Fatalf("%d/%d says that it comes from %v", r.Partition, r.Offset, h)
			case seen[offset]:
				t.Fatalf("offset %d was parked twice", offset)
			case string(r.Key) != c.key || string(r.Value) != c.value || (r.Value == nil) != (c.value == ""):
				t.Fatalf("offset %d was parked as %q %q, and was %q %q", offset, r.Key, r.Value, c.key, c.value)
			case h[upsert.HeaderParkedCode] != c.code || h[upsert.HeaderParkedReason] == "":
				t.Fatalf("offset %d was parked with code %q and reason %q", offset, h[upsert.HeaderParkedCode], h[upsert.HeaderParkedReason])
			}
			for _, w := range c.words {
				if !strings.Contains(h[upsert.HeaderParkedReason], w) {
					t.Fatalf("the reason of offset %d does not speak of %q: %s", offset, w, h[upsert.HeaderParkedReason])
				}
			}
			seen[offset] = true
		}
		if len(seen) != len(parked) {
			return fmt.Errorf("%d of %d records are parked", len(seen), len(parked))
		}
		return nil
	})
}

// TestNoKey stops where nothing says what the key of a row is, since a compacted topic cannot do without, and goes on when the
// configuration says it.
func TestNoKey(t *testing.T) {
	for name, c := range map[string]struct {
		of    dialect
		value string
	}{
		"NullKey":     {debezium, `{"before":null,"after":{"id":7,"item":"x","n":1},"source":{"connector":"mysql","db":"shop","table":"orders"},"op":"c"}`},
		"NoPkNames":   {canal, `{"data":[{"id":"7","item":"x","n":"1"}],"database":"shop","es":1700000000000,"id":1,"isDdl":false,"mysqlType":{"id":"int","item":"varchar(40)","n":"int"},"old":null,"sql":"","sqlType":{"id":4,"item":12,"n":4},"table":"orders","ts":1700000000100,"type":"INSERT"}`},
		"NullPkNames": {canal, `{"data":[{"id":"7","item":"x","n":"1"}],"database":"shop","es":1700000000000,"id":1,"isDdl":false,"mysqlType":{"id":"int","item":"varchar(40)","n":"int"},"old":null,"pkNames":null,"sql":"","sqlType":{"id":4,"item":12,"n":4},"table":"orders","ts":1700000000100,"type":"INSERT"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := modern.get(t)
			s := e.newSource(t, unique(t)+".in.orders", 1)
			s.write(t, message{value: []byte(c.value), changes: true})
			b := e.reads(t, c.of, "", s.topic)
			b.fails(t, "no_key", "orders").Kill()
			b.got(t)
			b.output = `format: plain-json, message_key_columns: "shop.orders:id"`
			b.running(t)
			want := row{7, "x", 1}
			b.holds(t, map[string]string{want.key(): want.json()}, s)
		})
	}
}
