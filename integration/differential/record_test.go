package differential

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// record is one record of a topic without what only a run decides. Key and value nil: none.
type record struct {
	key, value *string
	headers    []member
}

// records are those of a run by the names of their topics.
type records map[string][]record

// cleaner says what is taken out of records.
type cleaner struct {
	positions bool // of the log, transactions and servers too: the runs are of two servers; without it only those of rows that a snapshot of PostgreSQL read
}

// readAll reads the topics of a prefix: prefix.*, the prefix itself, and the heartbeats.
func readAll(ctx context.Context, t *testing.T, brokers []string, prefix string, c cleaner) records {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := records{}
	for _, name := range topics.Names() {
		if name != prefix && !strings.HasPrefix(name, prefix+".") && name != "__debezium-heartbeat."+prefix {
			continue
		}
		err := harness.EachRecord(ctx, brokers, name, func(r *kgo.Record) { all[name] = append(all[name], c.clean(r)) })
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "__debezium-heartbeat.") && len(all[name]) > 1 {
			all[name] = all[name][:1] // how many there are is a matter of time
		}
	}
	return all
}

// waitRows waits until a topic has n records with a value.
func waitRows(ctx context.Context, t *testing.T, brokers []string, topic string, n int, alive func() error) {
	t.Helper()
	for {
		seen := 0
		err := harness.EachRecord(ctx, brokers, topic, func(*kgo.Record) { seen++ })
		if err == nil && seen >= n {
			return
		}
		if dead := alive(); dead != nil {
			t.Fatal(dead)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d records in %s of %d: %v %v", seen, topic, n, ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (c cleaner) clean(r *kgo.Record) record {
	var out record
	if r.Key != nil {
		key := c.cleanPart(string(r.Key))
		out.key = &key
	}
	if r.Value != nil {
		value := c.cleanPart(string(r.Value))
		out.value = &value
	}
	for _, h := range r.Headers {
		value := string(h.Value)
		switch {
		case strings.HasPrefix(h.Key, "cdc."): // ours, on top of Debezium's
			continue
		case h.Key == "__debezium.context.runId":
			value = shapeOf(value)
		}
		out.headers = append(out.headers, member{h.Key, value})
	}
	return out
}

// again cleans records that another cleaner has left more in.
func (c cleaner) again(all records) records {
	out := records{}
	for topic, list := range all {
		for _, r := range list {
			for _, part := range []**string{&r.key, &r.value} {
				if *part != nil {
					text := c.cleanPart(**part)
					*part = &text
				}
			}
			out[topic] = append(out[topic], r)
		}
	}
	return out
}

// cleanPart cleans a key or a value, with its schema or without.
func (c cleaner) cleanPart(text string) string {
	members := membersOf(text)
	if len(members) == 2 && members[0].name == "schema" && members[1].name == "payload" {
		members[1].value = c.cleanPayload(members[1].value)
		return object(members)
	}
	return c.cleanPayload(text)
}

// messageIdentity is the name under which Debezium counts a logical message of PostgreSQL: a class and where an object of it is in the memory of the process.
var messageIdentity = regexp.MustCompile(`(\$LogicalDecodingMessageId@)[0-9a-f]+`)

var clocks = []string{"ts_ms", "ts_us", "ts_ns"}

// cleanPayload cleans an envelope, a record of a transaction, of a statement or of a heartbeat; anything else is the key or the row itself.
func (c cleaner) cleanPayload(text string) string {
	members := membersOf(text)
	has := func(name string) bool { return get(members, name) != "" }
	switch {
	case has("source") && (has("op") || has("ddl") || has("databaseName")):
	case has("status") && has("event_count"):
	case len(members) == 1 && (members[0].name == "ts_ms" || members[0].name == "id" && strings.HasPrefix(members[0].value, `"`)):
	default:
		return text
	}
	for i := range members {
		m := &members[i]
		switch {
		case slices.Contains(clocks, m.name):
			m.value = shapeOf(m.value)
		case m.name == "source":
			m.value = c.cleanSource(m.value)
		case m.name == "id" && c.positions:
			m.value = shapeOf(m.value)
		case m.name == "data_collections":
			m.value = messageIdentity.ReplaceAllString(m.value, "${1}x")
		case m.name == "transaction" && c.positions:
			if inner := membersOf(m.value); len(inner) > 0 {
				inner[0].value = shapeOf(inner[0].value)
				m.value = object(inner)
			}
		}
	}
	return object(members)
}

var (
	always    = []string{"version"}
	ofTheRead = []string{"sequence", "lsn"} // of PostgreSQL, which everybody reads at a moment of his own
	ofTheRun  = []string{"sequence", "txId", "lsn", "xmin", "server_id", "gtid", "file", "pos", "thread"}
)

func (c cleaner) cleanSource(text string) string {
	members := membersOf(text)
	if members == nil {
		return text
	}
	read := get(members, "snapshot") != `"false"` // at a time of the clock; what the stream has happened at one time for both
	ownPlace := read && get(members, "connector") == `"postgresql"`
	for i := range members {
		if m := &members[i]; slices.Contains(always, m.name) || ownPlace && slices.Contains(ofTheRead, m.name) || (read || c.positions) && slices.Contains(clocks, m.name) || c.positions && slices.Contains(ofTheRun, m.name) {
			m.value = shapeOf(m.value)
		}
	}
	return object(members)
}

var wordOrNumber = regexp.MustCompile(`[0-9A-Za-z]+([-.][0-9A-Za-z]+)*`)

// shapeOf keeps of a value whether it is null, zero, a number or a text, and the punctuation of the last.
func shapeOf(value string) string {
	return wordOrNumber.ReplaceAllStringFunc(value, func(s string) string {
		switch {
		case s == "null" || s == "0":
			return s
		case strings.Trim(s, "0123456789") == "":
			return "1"
		}
		return "x"
	})
}
