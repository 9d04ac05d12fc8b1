package capturetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/changelog"
)

var (
	orders = &changelog.Table{ID: 0, Version: 1, Origin: "mysql", Database: "shop", Name: "t_a", Key: []int{0}, Columns: []changelog.Column{{Name: "id"}, {Name: "v"}}}
	others = &changelog.Table{ID: 1, Version: 1, Origin: "mysql", Database: "shop", Name: "t_b", Key: []int{0}, Columns: []changelog.Column{{Name: "id"}, {Name: "v"}}}
)

func row(id int64, text string) changelog.Row {
	return changelog.Row{changelog.Int(id), changelog.String([]byte(text))}
}

// txn is a whole transaction, or its first part, of two inserts.
func txn(id string, last bool) *changelog.Batch {
	return &changelog.Batch{
		Txns: []changelog.Txn{{ID: id, Commit: time.Now().UnixMicro(), First: true, Last: last}},
		Runs: []changelog.Run{{Table: orders, From: 0, To: 1}, {Table: others, From: 1, To: 2}},
		Changes: []changelog.Change{
			{Op: changelog.Insert, After: row(1, "one")}, {Op: changelog.Insert, Index: 1, After: row(1, "one")},
		},
		Next: changelog.Checkpoint{Pos: changelog.Position("after " + id)},
	}
}

// rest is the part after txn's.
func rest(id string) *changelog.Batch {
	b := txn(id, true)
	b.Txns[0].First, b.Txns[0].Done = false, []changelog.Count{{Table: "shop.t_a", Changes: 1}, {Table: "shop.t_b", Changes: 1}}
	b.Changes[0].Index, b.Changes[0].TableIndex, b.Changes[1].Index, b.Changes[1].TableIndex = 2, 1, 3, 1
	return b
}

// TestRecordingFindsBreaches breaks each rule that holds for every batch.
func TestRecordingFindsBreaches(t *testing.T) {
	for _, c := range []struct {
		want    string // in the error; "": none
		batches []*changelog.Batch
		breach  func(b []*changelog.Batch)
	}{
		{want: "", batches: []*changelog.Batch{txn("1", true), txn("2", false), rest("2"), txn("3", true)}},
		{want: "", batches: []*changelog.Batch{rest("1"), txn("2", true)}}, // resumed within
		{want: "", batches: []*changelog.Batch{{Next: changelog.Checkpoint{Pos: "x"}}, rest("1")}},
		{want: "begins again", batches: []*changelog.Batch{txn("1", true), txn("1", true)}},
		{want: "goes on without a begin", batches: []*changelog.Batch{txn("1", true), rest("2")}},
		{want: "has not ended", batches: []*changelog.Batch{txn("1", false), txn("2", true)}},
		{want: "has not ended", batches: []*changelog.Batch{txn("1", false), rest("2")}},
		{want: "has not ended", batches: []*changelog.Batch{txn("1", false), {Next: changelog.Checkpoint{Pos: "x"}}}},
		{want: "has no id", batches: []*changelog.Batch{txn("", true)}},
		{want: "no position", breach: func(b []*changelog.Batch) { b[0].Next.Pos = "" }},
		{want: "drained within", breach: func(b []*changelog.Batch) { b[0].Txns[0].Last, b[0].Drained = false, true }},
		{want: "was committed at", breach: func(b []*changelog.Batch) { b[0].Txns[0].Commit /= 1000 }},
		{want: "shares the batch", breach: func(b []*changelog.Batch) {
			b[0].Txns[0].Last = false
			b[0].Txns = append(b[0].Txns, changelog.Txn{ID: "2", Commit: b[0].Txns[0].Commit, First: true, Last: true})
		}},
		{want: "runs cover 1 of 2", breach: func(b []*changelog.Batch) { b[0].Runs = b[0].Runs[:1] }},
		{want: "a run has the changes", breach: func(b []*changelog.Batch) { b[0].Runs[1].From = 0 }},
		{want: "a run has the changes", breach: func(b []*changelog.Batch) { b[0].Runs[1].To = 3 }},
		{want: "belongs to the transaction", breach: func(b []*changelog.Batch) { b[0].Runs[1].Txn = 1 }},
		{want: "not captured", breach: func(b []*changelog.Batch) { b[0].Runs[0].Table = &changelog.Table{Name: "other"} }},
		{want: "not captured", breach: func(b []*changelog.Batch) { b[0].Runs[0].Table = nil }},
		{want: "same id", breach: func(b []*changelog.Batch) { other := *others; other.ID = 0; b[0].Runs[1].Table = &other }},
		{want: "is not described", breach: func(b []*changelog.Batch) { other := *others; other.Columns = nil; b[0].Runs[1].Table = &other }},
		{want: "ordinals 1 and 0, want 0", breach: func(b []*changelog.Batch) { b[0].Changes[0].Index = 1 }},
		{want: "ordinals 3 and 0, want 1", breach: func(b []*changelog.Batch) { b[0].Changes[1].Index = 3 }},
		{want: "ordinals 1 and 1, want 1", breach: func(b []*changelog.Batch) { b[0].Changes[1].TableIndex = 1 }},
		{want: "ordinals 1 and 1, want 2", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) { b[1].Changes[0].Index = 1 }},
		{want: "ordinals 2 and 0, want 2", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) { b[1].Changes[0].TableIndex = 0 }},
		{want: "is done of 1", breach: func(b []*changelog.Batch) { b[0].Txns[0].Done = []changelog.Count{} }},
		{want: "is done of 1", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) { b[1].Txns[0].Done = nil }},
		{want: "in no order", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) { slices.Reverse(b[1].Txns[0].Done) }},
		{want: "comes after 3", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) { b[1].Txns[0].Done[0].Changes = 2 }},
		{want: "comes after 2, 0", batches: []*changelog.Batch{txn("1", false), rest("1")}, breach: func(b []*changelog.Batch) {
			b[1].Txns[0].Done = []changelog.Count{{Table: "shop.t_b", Changes: 2}}
		}},
		{want: "insert has the images", breach: func(b []*changelog.Batch) { b[0].Changes[0].Before = row(1, "") }},
		{want: "update has the images", breach: func(b []*changelog.Batch) {
			b[0].Changes[0] = changelog.Change{Op: changelog.Update, Before: row(1, "")}
		}},
		{want: "delete has the images", breach: func(b []*changelog.Batch) { b[0].Changes[0].Op = changelog.Delete }},
		{want: "it is a read", breach: func(b []*changelog.Batch) { b[0].Changes[0].Op = changelog.Read }},
		{want: "1 values for 2 columns", breach: func(b []*changelog.Batch) { b[0].Changes[0].After = row(1, "")[:1] }},
		{want: "the key of", breach: func(b []*changelog.Batch) { b[0].Changes[0].After[0] = changelog.Null() }},
		{want: "of a new row is unknown", breach: func(b []*changelog.Batch) { b[0].Changes[0].After[1] = changelog.Unchanged() }},
		{want: "note", breach: func(b []*changelog.Batch) { b[0].Notes = []changelog.Note{{Kind: changelog.DDL, At: 3}} }},
	} {
		batches := c.batches
		if batches == nil {
			batches = []*changelog.Batch{txn("1", true)}
		}
		if c.breach != nil {
			c.breach(batches)
		}
		r, err := newRecording("t_", changelog.Checkpoint{}), error(nil)
		for _, b := range batches {
			if err = r.add(b); err != nil {
				break
			}
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestRecordingKeepsState hands all state on with each checkpoint, as the sink does.
func TestRecordingKeepsState(t *testing.T) {
	r := newRecording("t_", changelog.Checkpoint{State: []changelog.State{{Key: "b", Value: []byte("0")}}})
	for i, states := range [][]changelog.State{{{Key: "a", Value: []byte("1")}}, nil, {{Key: "a", Value: []byte("2")}, {Key: "b"}}} {
		b := txn(string(rune('1'+i)), true)
		b.Next.State = states
		if err := r.add(b); err != nil {
			t.Fatal(err)
		}
	}
	text := ""
	for _, cp := range r.checkpoints {
		for _, s := range cp.State {
			text += s.Key + string(s.Value)
		}
		text += " " + string(cp.Pos) + "; "
	}
	if want := "a1b0 after 1; a1b0 after 2; a2 after 3; "; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
