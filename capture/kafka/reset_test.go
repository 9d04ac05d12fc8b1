package kafka

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

func TestWhereToGoOn(t *testing.T) {
	for text, want := range map[string]target{
		"earliest":                       {mode: "earliest"},
		"latest":                         {mode: "latest"},
		"timestamp=1767323045250":        {mode: "timestamp", millis: 1767323045250},
		"timestamp=2026-01-02T03:04:05Z": {mode: "timestamp", millis: 1767323045000},
		"offsets=orders:0:42, items:11:0": {mode: "offsets", offsets: []PartitionOffset{
			{Topic: "orders", Partition: 0, Offset: 42}, {Topic: "items", Partition: 11, Offset: 0},
		}},
	} {
		got, err := parseTarget(text)
		if err != nil || got.mode != want.mode || got.millis != want.millis || len(got.offsets) != len(want.offsets) {
			t.Errorf("%s: %+v, %v", text, got, err)
			continue
		}
		for i := range want.offsets {
			if got.offsets[i] != want.offsets[i] {
				t.Errorf("%s: %+v", text, got.offsets[i])
			}
		}
	}
	for _, text := range []string{
		"", "now", "committed", "earliest=1", "latest=", "timestamp", "timestamp=", "timestamp=yesterday", "offsets", "offsets=", "offsets=orders:0", "offsets=orders:0:1:2",
		"offsets=orders:x:1", "offsets=orders:0:-1", "offsets=orders:-1:0", "offsets=or/ders:0:1", "offsets=orders:0:1,orders:0:2", "offsets=orders:0:1,",
	} {
		if got, err := parseTarget(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func FuzzWhereToGoOn(f *testing.F) {
	for _, s := range []string{"earliest", "latest", "timestamp=1767323045250", "timestamp=2026-01-02T03:04:05Z", "offsets=orders:0:42,items:11:0", "offsets=a:0:0,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTarget(text)
		if err != nil {
			return
		}
		for _, o := range got.offsets {
			if o.Partition < 0 || o.Offset < 0 || topicName(o.Topic) != nil {
				t.Errorf("%q gives %+v", text, o)
			}
		}
	})
}

var (
	idOne = kafkawire.TopicID{1}
	idTwo = kafkawire.TopicID{2}
)

func partAt(topic string, number int32, id kafkawire.TopicID, offset int64) *partition {
	p := newPartition(kafkawire.TopicPartition{Topic: topic, Partition: number}, id)
	p.offset = offset
	return p
}

// stateTexts are the states of a plan, a removed one as "".
func stateTexts(plan capture.ResetPlan) map[string]string {
	texts := map[string]string{}
	for _, s := range plan.Next.State {
		texts[s.Key] = string(s.Value)
	}
	return texts
}

func planOf(t *testing.T, cfg *Config, same bool, known, parts []*partition) capture.ResetPlan {
	t.Helper()
	a := arrangement{cfg: cfg, same: same, known: map[kafkawire.TopicPartition]*partition{}, parts: parts}
	for _, k := range known {
		a.known[k.at()] = k
	}
	enum, err := newEnumerator(nil, &cfg.TopicsConfig, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := a.plan(t.Context(), enum, position{Cluster: "c", Records: 10})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestPlanOfAReset(t *testing.T) {
	cfg := NewConfig().(*Config)
	cfg.Topics = []string{"orders"}
	read := partAt("orders", 1, idOne, 50)
	read.epoch, read.deleted, read.clock.watermark = 7, []byte("k"), 99
	plan := planOf(t, cfg, true,
		[]*partition{partAt("orders", 0, idOne, 100), read, partAt("orders", 3, idOne, 5), partAt("orders", 4, idOne, 8), partAt("gone", 0, idOne, 8)},
		[]*partition{partAt("orders", 0, idOne, 0), partAt("orders", 1, idOne, 80), partAt("orders", 2, idOne, 7), partAt("orders", 3, idOne, 5)},
	)
	if plan.Next.Pos != `{"cluster":"c","records":10}` {
		t.Errorf("position %s", plan.Next.Pos)
	}
	want := []capture.ResetMove{{Place: "orders/0", From: 100, To: 0}, {Place: "orders/1", From: 50, To: 80}, {Place: "orders/2", From: -1, To: 7}, {Place: "orders/3", From: 5, To: 5}}
	for i, m := range plan.Moves {
		if i >= len(want) || m != want[i] {
			t.Errorf("move %d is %+v", i, m)
		}
	}
	texts := stateTexts(plan)
	if len(texts) != 5 || texts["partition/orders/4"] != "" || texts["end/orders/4"] != "" {
		t.Errorf("states %v", texts)
	}
	for key, offset := range map[string]string{"partition/orders/0": `"offset":0,`, "partition/orders/1": `"offset":80,`, "partition/orders/2": `"offset":7,`} {
		text := texts[key]
		if !strings.Contains(text, offset) || !strings.Contains(text, `"leader_epoch":-1`) || strings.Contains(text, "watermark") || strings.Contains(text, "deleted") || !strings.Contains(text, idOne.String()) {
			t.Errorf("%s is %s", key, text)
		}
	}
	if _, there := texts["partition/orders/3"]; there {
		t.Error("what stays is written")
	}
	notes := strings.Join(plan.Notes, " ")
	if len(plan.Notes) != 2 || !strings.Contains(notes, "read again") || !strings.Contains(notes, "passed over") {
		t.Errorf("notes %q", notes)
	}
	if known, err := readPartitions(plan.Next.State[1:2]); err != nil || known[kafkawire.TopicPartition{Topic: "orders", Partition: 0}].offset != 0 {
		t.Errorf("what is written cannot be read: %v", err)
	}
}

// TestResetOfATopicThatWasCreatedAgain: offsets of a topic of the same name, or of another cluster, mean nothing.
func TestResetOfATopicThatWasCreatedAgain(t *testing.T) {
	cfg := NewConfig().(*Config)
	cfg.Topics, cfg.Deduplicate = []string{"orders"}, true
	for _, c := range []struct {
		same bool
		id   kafkawire.TopicID
	}{{true, idTwo}, {false, idOne}} {
		plan := planOf(t, cfg, c.same, []*partition{partAt("orders", 0, idOne, 5)}, []*partition{partAt("orders", 0, c.id, 5)})
		if m := plan.Moves[0]; m.From != -1 || m.To != 5 {
			t.Errorf("%+v", m)
		}
		if text := stateTexts(plan)["partition/orders/0"]; !strings.Contains(text, c.id.String()) {
			t.Errorf("state %s", text)
		}
		if got := len(plan.Notes) > 0; got == c.same {
			t.Errorf("notes %q", plan.Notes)
		}
	}
}

func TestOffsetsOfAResetAreThoseOfItsPartitions(t *testing.T) {
	a := arrangement{cfg: NewConfig().(*Config), same: true, parts: []*partition{partAt("orders", 0, idOne, 0)}}
	if err := a.given(t.Context(), []PartitionOffset{{Topic: "orders", Partition: 9, Offset: 1}}); err == nil || !strings.Contains(err.Error(), "orders/9 is none of the partitions") {
		t.Errorf("got %v", err)
	}
}

func TestCheckpointsThatCannotBeReadAreNotReset(t *testing.T) {
	if _, err := readPartitions([]changelog.State{{Key: "partition/orders/0", Value: []byte(`{"version":1,"min_reader":99}`)}}); err == nil {
		t.Error("a state of a newer release is taken for one of ours")
	}
}

// TestWhatAResetForgetsOfMergedPartitions: what is known of the rows of partitions that were merged is of where they were, also when
// that was another topic of the same name, or another cluster, and when they were merged once and are not now.
func TestWhatAResetForgetsOfMergedPartitions(t *testing.T) {
	cfg := NewConfig().(*Config)
	cfg.Topics = []string{"orders"}
	for name, c := range map[string]struct {
		order   string
		same    bool
		id      kafkawire.TopicID
		from    int64
		forgets bool
	}{
		"back":                 {orderSource, true, idOne, 5, true},
		"forth":                {orderSource, true, idOne, 1, true},
		"nowhere":              {orderSource, true, idOne, 3, false},
		"not merged any more":  {wordNone, true, idOne, 5, true},
		"a topic created anew": {orderSource, true, idTwo, 3, true},
		"another cluster":      {orderSource, false, idOne, 3, true},
	} {
		cfg.Order = c.order
		known := partAt("orders", 0, idOne, c.from)
		a := arrangement{
			cfg: cfg, same: c.same, known: map[kafkawire.TopicPartition]*partition{known.at(): known},
			states: []changelog.State{{Key: known.stateKey()}, {Key: orderKey}, {Key: emptiedKey}},
			parts:  []*partition{partAt("orders", 0, c.id, 3), partAt("orders", 1, c.id, 7)}, // the second one is new
		}
		plan, err := a.plan(t.Context(), &enumerator{cfg: &cfg.TopicsConfig}, position{Cluster: "c"})
		if err != nil {
			t.Fatal(err)
		}
		texts := stateTexts(plan)
		for _, key := range []string{orderKey, emptiedKey} {
			if text, there := texts[key]; there != c.forgets || text != "" {
				t.Errorf("%s: %s is %q, %v", name, key, text, there)
			}
		}
	}
}
