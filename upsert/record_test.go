package upsert

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// TestChangesThatComeFromRecords: their position is the record, whatever log the table is of; the transaction is what the message
// says, else the record.
func TestChangesThatComeFromRecords(t *testing.T) {
	plan := testPlan(t, Upsert, &Topic{Name: "p.shop.orders", Partitions: 1, MaxBatch: 1 << 20})
	for _, origin := range []string{"mysql", "postgresql"} {
		plan.Table.Origin, plan.lsns = origin, origin == "postgresql"
		b := changelog.NewBatch()
		b.Changes = append(b.Changes,
			changelog.Change{Op: changelog.Insert, After: row(b, 1, "a"), Pos: 7},
			changelog.Change{Op: changelog.Upsert, After: row(b, 2, "b"), Index: 3},
			changelog.Change{Op: changelog.Read, After: row(b, 3, "c")})
		b.Txns = []changelog.Txn{{ID: "gtid:1", Commit: 5_000_000, First: true, Last: true}, {Commit: 5_000_000, First: true, Last: true}, {Commit: 5_000_000, Snapshot: true}}
		b.Runs = []changelog.Run{{Table: plan.Table, To: 1, File: "f", Pos: 42, Record: 1}, {Table: plan.Table, Txn: 1, From: 1, To: 2, Record: 2}, {Table: plan.Table, Txn: 2, From: 2, To: 3, Record: 3}}
		b.Records = []changelog.Record{{Topic: "in", Partition: 2, Offset: 9}, {Topic: "in", Partition: 2, Offset: 10}, {Topic: "in", Offset: 1234567890123}}
		c, err := NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{{plan}, {plan}, {plan}}}, 1})
		if err != nil {
			t.Fatal(err)
		}
		head := " @5000 pipeline=p table=shop.orders "
		want := []string{
			"1; = insert - 1,a split=false" + head + "pos=in/2@9 txn=gtid:1 ord=0 op=c",
			"2; = upsert - 2,b split=false" + head + "pos=in/2@10 txn=in/2@10 ord=3 op=u",
			"3; = read - 3,c split=false" + head + "pos=in/0@1234567890123 op=r",
		}
		if got := records(t, c.Parts[0]); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", origin, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		b.Changes[1].After[0] = changelog.Unchanged()
		_, err = NewMaterializer(kafkawire.None).Chunk(9_000_000, Planned{b, Plans{Runs: [][]*Plan{{plan}, {plan}, {plan}}}, 1})
		if !fault.Is(err, fault.NoKey) || !strings.Contains(err.Error(), "at in/2@10 for output out") {
			t.Errorf("a key that the record does not have: %v", err)
		}
	}
}

// TestRecordsThatCannotBeReadArePutAside: whole and unchanged, null key and null value included, with the reason after their own
// headers; those of a partition without keys stay in their order.
func TestRecordsThatCannotBeReadArePutAside(t *testing.T) {
	open, opened := openAll(3)
	p := NewPlanner("p", []Output{{Name: "out", Mode: Upsert, Topic: "{table}", Format: textFormat{}, Settings: TopicSettings{Create: true}}}, nil, open)
	b := changelog.NewBatch()
	b.Records = []changelog.Record{
		{Topic: "in", Partition: 4, Offset: 7, Timestamp: 123, Key: []byte("k"), Value: []byte("{"), Headers: []changelog.RecordHeader{{Name: "h", Value: []byte("v")}, {Name: "null"}}},
		{Topic: "in", Partition: 4, Offset: 8, Value: []byte("x")},
		{Topic: "in", Partition: 4, Offset: 9, Value: []byte("y")},
		{Topic: "in", Partition: 4, Offset: 10, Key: []byte("k")},
	}
	for i := range b.Records {
		b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Parked, Txn: -1, Record: i + 1, Prefix: "dead", Code: "decode", Text: "no JSON"})
	}
	b.Notes = append(b.Notes, changelog.Note{Kind: changelog.Heartbeat, Txn: -1})
	parked, err := p.Parking(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(*opened, []string{"dead dead letter"}) {
		t.Errorf("opened %q", *opened)
	}
	c, err := NewMaterializer(kafkawire.LZ4).Chunk(9_000_000, Planned{b, Plans{Parking: parked}, 1})
	if err != nil {
		t.Fatal(err)
	}
	byPartition := map[int32][]string{}
	for _, part := range c.Parts {
		byPartition[part.Partition] = append(byPartition[part.Partition], records(t, part)...)
	}
	why := " parked.pipeline=p parked.topic=in parked.partition=4 parked.offset=%d parked.timestamp=%d parked.code=decode parked.reason=no JSON"
	keyed, keyless := kafkawire.PartitionOf([]byte("k"), 3), kafkawire.PartitionOf([]byte("in/4"), 3)
	if keyed == keyless {
		t.Fatal("choose another key")
	}
	for partition, want := range map[int32][]string{
		keyed:   {"k = { @9000 h=v null=" + fmt.Sprintf(why, 7, 123), "k = null @9000" + fmt.Sprintf(why, 10, 0)},
		keyless: {"null = x @9000" + fmt.Sprintf(why, 8, 0), "null = y @9000" + fmt.Sprintf(why, 9, 0)},
	} {
		if got := byPartition[partition]; !slices.Equal(got, want) {
			t.Errorf("partition %d: got\n%s\nwant\n%s", partition, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestTheDeadLetterTopicHoldsNothingElse: neither rows nor records beside them go there, and it is never compacted.
func TestTheDeadLetterTopicHoldsNothingElse(t *testing.T) {
	open, _ := openAll(1)
	outputs := []Output{{Name: "out", Mode: Upsert, Topic: "{table}", Format: textFormat{}, Settings: TopicSettings{Config: map[string]string{"cleanup.policy": "compact", "retention.ms": "5"}}}}
	p := NewPlanner("p", outputs, nil, open)
	b := &changelog.Batch{Records: make([]changelog.Record, 1), Notes: []changelog.Note{{Kind: changelog.Parked, Record: 1, Prefix: "orders"}}}
	if _, err := p.Parking(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Plans(t.Context(), testTable()); !fault.Is(err, fault.Config) {
		t.Errorf("rows in the dead-letter topic: %v", err)
	}
	p = NewPlanner("p", outputs, nil, open)
	if _, err := p.Plans(t.Context(), testTable()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parking(t.Context(), b); !fault.Is(err, fault.Config) {
		t.Errorf("dead letters in a topic of rows: %v", err)
	}
	use := DeadLetterUse("dead", outputs)
	if got := newTarget("dead", use.Output).Configs; !slices.Equal(got, []kafkawire.Setting{{Name: "cleanup.policy", Value: "delete"}, {Name: "retention.ms", Value: "5"}}) {
		t.Errorf("created with %v", got)
	}
	for policy, want := range map[string]capture.Severity{"compact": capture.Problem, "compact,delete": capture.Problem, "delete": capture.OK} {
		found := examineTopic("dead", use.Output.Mode, &kafkawire.Topic{}, map[string]string{"cleanup.policy": policy})
		if found[0].Subject != "cleanup.policy" || found[0].Severity != want {
			t.Errorf("%s: %+v", policy, found)
		}
	}
	if outputs[0].Settings.Config["cleanup.policy"] != "compact" {
		t.Error("the settings of the outputs were changed")
	}
	b.Notes[0].Record = 0
	if _, err := p.Parking(t.Context(), b); !fault.Is(err, fault.Internal) {
		t.Errorf("a note without record: %v", err)
	}
}

func TestTopicsThatCannotTakeDeadLetters(t *testing.T) {
	outputs := []Output{{Topic: "{table}"}, {Topic: "rows"}}
	for topic, want := range map[string]string{
		"dead": "", "cdcbridge.state": "dead_letter: cdcbridge.state is the state topic", "watermarks": "dead_letter: watermarks is the progress topic", "rows": "dead_letter: rows are written to rows",
	} {
		c := DefaultConfig()
		errs := ValidateDeadLetter(topic, "watermarks", &c, outputs)
		if (want == "") != (len(errs) == 0) || want != "" && errs[0].Error() != want {
			t.Errorf("%s: %v, want %s", topic, errs, want)
		}
	}
}
