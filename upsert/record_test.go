package upsert

import (
	"slices"
	"strings"
	"testing"

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
		c, err := NewMaterializer(kafkawire.None).Chunk(b, Plans{Runs: [][]*Plan{{plan}, {plan}, {plan}}}, 9_000_000, 1)
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
		_, err = NewMaterializer(kafkawire.None).Chunk(b, Plans{Runs: [][]*Plan{{plan}, {plan}, {plan}}}, 9_000_000, 1)
		if !fault.Is(err, fault.NoKey) || !strings.Contains(err.Error(), "at in/2@10 for output out") {
			t.Errorf("a key that the record does not have: %v", err)
		}
	}
}
