package postgres

import (
	"slices"
	"testing"

	"github.com/jackc/pglogrepl"
)

// TestPending: what a read must see and does not, through everything that may happen to a transaction.
func TestPending(t *testing.T) {
	const floor = 1000
	p := &pending{}
	p.restart()
	p.on.Store(true)
	p.floor = floor
	p.reads = map[uint64]bool{}
	begin := func() read {
		p.tickets++
		p.reads[p.tickets] = true
		return read{p.tickets, p.era}
	}
	check := func(what string, r read, snap string, upTo int, want ...uint64) {
		t.Helper()
		s, err := parseSnapshot(snap)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.hidden(r, s, pglogrepl.LSN(upTo))
		if !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v, want %v", what, got, ok, want)
		}
	}
	p.streamed(1010, 50)
	p.streamed(1011, 60)
	old := begin() // its snapshot is taken now
	r := begin()
	check("one is held back, another one is not", r, "900:1020:900,1010", 60, 1010, 900)
	check("its commit is later than what must be seen", r, "900:1020:900,1010", 49, 900)
	check("one that has not begun for the read", r, "1011:1011:", 60, 1011)
	p.end(r)
	p.streamed(900, 70) // it was only running
	r = begin()
	check("known by now", r, "900:1020:900", 69)
	check("known, and to be seen", r, "900:1020:900", 70, 900)
	check("all is seen", r, "1020:1020:", 70)
	if len(p.commits) != 3 {
		t.Errorf("what an older read may not see was forgotten: %v", p.commits)
	}
	check("the older read", old, "900:1020:1010,1011,900", 70, 1010, 1011, 900)
	p.end(old)
	p.end(r)
	r = begin()
	check("nothing is left", r, "1020:1020:", 70)
	if len(p.commits) != 0 {
		t.Errorf("not forgotten: %v", p.commits)
	}
	if _, ok := p.hidden(r, snapshot{min: 900, max: floor}, 0); ok {
		t.Error("a snapshot from before the floor was judged")
	}
	for range mostPending + 1 {
		p.streamed(1, 100)
	}
	if _, ok := p.hidden(r, snapshot{min: 2000, max: 2000}, 0); ok {
		t.Error("a read was judged by less than what was streamed")
	}
}

// TestHarmless: which looks at sessions prove that a transaction had not begun to commit.
func TestHarmless(t *testing.T) {
	snap := snapshot{min: 10, max: 2000, running: []uint64{10}}
	client := func(state, statement string) transactionFacts {
		return transactionFacts{xid: 10, pid: "1", client: true, state: state, statement: statement}
	}
	at := func(waits string) transactionFacts {
		return transactionFacts{xid: 10, pid: "1", client: true, state: "active", statement: "a", waits: waits}
	}
	for _, c := range []struct {
		name string
		want bool
		look []sessions
	}{
		{"idle", true, []sessions{{transactions: []transactionFacts{client("idle in transaction", "a")}}}},
		{"aborted", true, []sessions{{transactions: []transactionFacts{client("idle in transaction (aborted)", "a")}}}},
		{"at work", false, []sessions{{transactions: []transactionFacts{client("active", "a")}}}},
		{"at work twice", false, []sessions{{transactions: []transactionFacts{client("active", "a")}}, {transactions: []transactionFacts{client("active", "a")}}}},
		{"another statement", true, []sessions{{transactions: []transactionFacts{client("active", "a")}}, {transactions: []transactionFacts{client("active", "b")}}}},
		{"unknown then known", false, []sessions{{transactions: []transactionFacts{client("", "")}}, {transactions: []transactionFacts{client("active", "b")}}}},
		{"a worker", false, []sessions{{transactions: []transactionFacts{{xid: 10, state: "idle in transaction"}}}}},
		{"prepared", true, []sessions{{transactions: []transactionFacts{{xid: 10, gid: "g"}}}}},
		{"perhaps being committed", false, []sessions{{committers: true, transactions: []transactionFacts{{xid: 10, gid: "g"}}}}},
		{"another database", true, []sessions{{committers: true, transactions: []transactionFacts{{xid: 10, gid: "g", elsewhere: true}}}}},
		{"not found", false, []sessions{{}, {}}},
		{"waits for the log", false, []sessions{{transactions: []transactionFacts{at("WALSync")}}}},
		{"waits for a standby", false, []sessions{{transactions: []transactionFacts{at("SyncRep")}}}},
		{"waits for a page, and is found again", true, []sessions{{transactions: []transactionFacts{at("DataFileRead")}}}},
		{"waits for a lock, and is found again", true, []sessions{{transactions: []transactionFacts{at("transactionid")}}}},
	} {
		p := &pending{}
		p.restart()
		p.floor = 1000
		for _, l := range c.look {
			p.looked(read{1, p.era}, snap, l)
		}
		if hidden, ok := p.hidden(read{p.tickets, p.era}, snap, 5); len(p.working) > 0 && (!ok || len(hidden) == 0) {
			t.Errorf("%s: the read that has looked is taken for a later one: %v", c.name, hidden)
		}
		hidden, ok := p.hidden(read{p.tickets + 1, p.era}, snap, 5)
		if !ok || (len(hidden) == 0) != c.want {
			t.Errorf("%s: hidden are %v", c.name, hidden)
		}
	}
}
