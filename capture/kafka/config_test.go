package kafka

import (
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func TestValidate(t *testing.T) {
	good := func() *Config {
		c := NewConfig().(*Config)
		c.Topics, c.Format = []string{"a.b"}, "words"
		return c
	}
	if errs := good().Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		want string // what the problem begins with; "": there is none
		edit func(*Config)
	}{
		{"topics: is required", func(c *Config) { c.Topics = nil }},
		{"", func(c *Config) { c.Topics, c.TopicPattern, c.Exclude = nil, `shop\..*`, []string{"shop.x"} }},
		{"topic_pattern: ", func(c *Config) { c.TopicPattern = "(" }},
		{"topics[1]: ", func(c *Config) { c.Topics = append(c.Topics, "a b") }},
		{"topics[1]: a.b was named before", func(c *Config) { c.Topics = append(c.Topics, "a.b") }},
		{"topics[1]: ", func(c *Config) { c.Topics = append(c.Topics, "..") }},
		{"exclude[0]: a.b is one of topics", func(c *Config) { c.Exclude = []string{"a.b"} }},
		{"discovery_interval: ", func(c *Config) { c.DiscoveryInterval = time.Millisecond }},
		{"", func(c *Config) { c.DiscoveryInterval = 0 }},
		{"brokers: is required beside tls", func(c *Config) { c.Cluster.TLS.Enabled = true }},
		{"brokers[0]: ", func(c *Config) { c.Cluster.Brokers = []string{"nowhere"} }},
		{"sasl.user: ", func(c *Config) {
			c.Cluster.Brokers, c.Cluster.SASL.Mechanism, c.Cluster.SASL.Password = []string{"k:1"}, "plain", "x"
		}},
		{"on_truncate: ", func(c *Config) { c.OnTruncate = "note" }},
		{"dead_letter: ", func(c *Config) { c.DeadLetter = "a b" }},
		{"dead_letter: a.b is one of topics", func(c *Config) { c.DeadLetter = "a.b" }},
		{"on_offset_lost: ", func(c *Config) { c.OnOffsetLost = "latest" }},
		{"group: ", func(c *Config) { c.Group = strings.Repeat("g", 1001) }},
		{"order: ", func(c *Config) { c.Order = "sink" }},
		{"order_idle_timeout: ", func(c *Config) { c.OrderIdleTimeout = 0 }},
		{"batch_bytes: ", func(c *Config) { c.BatchBytes = 1 }},
		{"start.from: ", func(c *Config) { c.Start.From = "middle" }},
		{"start.fallback: ", func(c *Config) { c.Start.Fallback = "none" }},
		{"start.timestamp: goes together", func(c *Config) { c.Start.From = fromTimestamp }},
		{"start.timestamp: goes together", func(c *Config) { c.Start.Timestamp = "5" }},
		{"start.timestamp: ", func(c *Config) { c.Start.From, c.Start.Timestamp = fromTimestamp, "yesterday" }},
		{"", func(c *Config) { c.Start.From, c.Start.Timestamp = fromTimestamp, "2026-01-31T12:00:00Z" }},
		{"start.offsets: goes together", func(c *Config) { c.Start.From = fromOffsets }},
		{"start.offsets[0].partition: ", func(c *Config) { c.Start.From, c.Start.Offsets = fromOffsets, []PartitionOffset{{"a.b", -1, 0}} }},
		{"start.offsets[0].offset: ", func(c *Config) { c.Start.From, c.Start.Offsets = fromOffsets, []PartitionOffset{{"a.b", 0, -1}} }},
		{"start.offsets[1]: a.b/0 was named before", func(c *Config) {
			c.Start.From, c.Start.Offsets = fromOffsets, []PartitionOffset{{"a.b", 0, 1}, {"a.b", 0, 2}}
		}},
		{"end.at: ", func(c *Config) { c.End.At = "earliest" }},
		{"end.offsets: goes together", func(c *Config) { c.End.At = fromOffsets }},
		{"", func(c *Config) { c.End.At, c.End.Offsets = fromOffsets, []PartitionOffset{{"a.b", 0, 5}} }},
		{"watermark.from: ", func(c *Config) { c.Watermark.From = "clock" }},
		{"watermark.column: ", func(c *Config) { c.Watermark.From = timeOfColumn }},
		{"watermark.lateness: ", func(c *Config) { c.Watermark.Lateness = -1 }},
		{"watermark.max_drift: ", func(c *Config) { c.Watermark.MaxDrift = -1 }},
	} {
		cfg := good()
		c.edit(cfg)
		errs := cfg.Validate()
		switch {
		case c.want == "" && len(errs) > 0:
			t.Errorf("%v", errs)
		case c.want != "" && (len(errs) == 0 || !strings.HasPrefix(errs[0].Error(), c.want)):
			t.Errorf("want %q, got %v", c.want, errs)
		}
	}
}

func TestWire(t *testing.T) {
	target := kafkawire.Config{Brokers: []string{"t:1"}, ClientID: "me", RequestTimeout: time.Second, SASL: kafkawire.SASL{Mechanism: "plain", User: "u", Password: "p"}}
	c := NewConfig().(*Config)
	c.Read(words{}, target)
	if w := c.wire(); w.Brokers[0] != "t:1" || w.SASL != target.SASL {
		t.Errorf("%+v", w)
	}
	c.Cluster.Brokers = []string{"s:1"}
	if w := c.wire(); w.Brokers[0] != "s:1" || w.SASL != (kafkawire.SASL{}) || w.ClientID != "me" || w.RequestTimeout != time.Second {
		t.Errorf("%+v", w)
	}
	if g := c.group("shop"); g != "cdcbridge-shop" {
		t.Error(g)
	}
	c.Group = "mine"
	if g := c.group("shop"); g != "mine" {
		t.Error(g)
	}
}

func TestWallClock(t *testing.T) {
	for text, want := range map[string]int64{"1700000000000": 1_700_000_000_000, "2026-01-31T12:00:00Z": 1_769_860_800_000, "2026-01-31T13:00:00.5+01:00": 1_769_860_800_500} {
		if got, err := wallClock(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	if _, err := wallClock("-5"); err == nil {
		t.Error("a time before 1970 in milliseconds was taken")
	}
}

func TestPosition(t *testing.T) {
	want := position{Cluster: "c1", Records: 7, Watermark: 9}
	text, err := want.text()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsePosition(text)
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if err := got.serves("c2"); !fault.Is(err, fault.WrongServer) || !fault.IsFinal(err) || !strings.Contains(err.Error(), "c1") || !strings.Contains(err.Error(), "c2") {
		t.Errorf("%v", err)
	}
	if err := got.serves("c1"); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "{}", `{"server_uuid":"x","file":"binlog.1"}`, "garbage"} {
		if _, err := parsePosition(changelog.Position(text)); !fault.Is(err, fault.WrongServer) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPartitionState(t *testing.T) {
	p := newPartition(kafkawire.TopicPartition{Topic: "a.b", Partition: 12}, kafkawire.TopicID{1, 2, 3})
	p.offset, p.epoch, p.deleted, p.clock.watermark = 77, 4, []byte("key"), 5
	st, err := p.state()
	if err != nil || st.Key != "partition/a.b/12" {
		t.Fatalf("%s, %v", st.Key, err)
	}
	const text = `{"version":1,"min_reader":1,"topic_id":"AQIDAAAAAAAAAAAAAAAAAA","offset":77,"leader_epoch":4,"watermark":5,"deleted":"a2V5"}`
	if string(st.Value) != text { // other releases read it
		t.Errorf("%s", st.Value)
	}
	known, err := readPartitions([]changelog.State{{Key: "end/a.b/12", Value: []byte(`{"version":1,"min_reader":1,"offset":99}`)}, st, {Key: "schema/x", Value: []byte("not ours")}})
	if err != nil || len(known) != 1 {
		t.Fatalf("%v, %v", known, err)
	}
	if q := known[p.at()]; q == nil || q.offset != 77 || q.epoch != 4 || string(q.deleted) != "key" || q.clock.watermark != 5 || q.id != p.id || q.end != 99 {
		t.Errorf("%+v", q)
	}
	for name, c := range map[string]struct {
		key, value string
		code       fault.Code
	}{
		"a newer release":           {"partition/t/0", `{"version":9,"min_reader":2,"offset":"x"}`, fault.StateNewer},
		"no version":                {"partition/t/0", `{"offset":1}`, fault.Decode},
		"no JSON":                   {"partition/t/0", `x`, fault.Decode},
		"no topic id":               {"partition/t/0", `{"version":1,"min_reader":1,"offset":1}`, fault.Decode},
		"a key without a partition": {"partition/t", string(st.Value), fault.Decode},
		"an end of nothing":         {"end/t/x", `{"version":1,"min_reader":1}`, fault.Decode},
	} {
		if _, err := readPartitions([]changelog.State{{Key: c.key, Value: []byte(c.value)}}); !fault.Is(err, c.code) || !fault.IsFinal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a newer release adds, and says that we may leave alone.
	if _, err := readPartitions([]changelog.State{{Key: st.Key, Value: []byte(strings.Replace(string(st.Value), `"version":1`, `"version":3,"more":[1]`, 1))}}); err != nil {
		t.Error(err)
	}
}

func FuzzReadPartitions(f *testing.F) {
	f.Add("partition/t/0", []byte(`{"version":1,"min_reader":1,"topic_id":"AAAAAAAAAAAAAAAAAAAAAA","offset":5,"leader_epoch":1,"seen":{}}`))
	f.Add("end/t/1", []byte(`{"version":1,"min_reader":1,"offset":5}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		known, err := readPartitions([]changelog.State{{Key: key, Value: value}})
		if err != nil && fault.As(err) == nil {
			t.Errorf("no fault: %v", err)
		}
		for _, p := range known {
			if _, err := p.state(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestReads(t *testing.T) {
	c := TopicsConfig{Topics: []string{"extra"}, TopicPattern: `shop\.(a|b)`, Exclude: []string{"shop.b"}}
	e, err := newEnumerator(nil, &c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{"extra": true, "shop.a": true, "shop.b": false, "shop.ab": false, "my.shop.a": false, "shopxa": false} {
		if e.reads(topic) != want {
			t.Errorf("%s: %v", topic, !want)
		}
	}
}

// TestWhatIsParkedIsNotRead: a pattern does not mean the dead-letter topic, where the pipeline writes to the cluster that it reads.
func TestWhatIsParkedIsNotRead(t *testing.T) {
	c := NewConfig().(*Config)
	c.TopicPattern, c.DeadLetter = "shop.*", "shop.dead"
	e, err := c.enumerator(t.Context(), nil, "c", nil)
	if err != nil || !e.reads("shop.a") || e.reads("shop.dead") {
		t.Errorf("%+v, %v", e, err)
	}
}
