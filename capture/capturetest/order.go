package capturetest

import (
	"fmt"
	"slices"
	"strings"
)

// wantTransactions compares the changes, transaction by transaction.
func (b *bench) wantTransactions(got *recording, want [][]string) {
	b.Helper()
	all := got.transactions()
	for i := range min(len(all), len(want)) {
		if !slices.Equal(all[i], want[i]) {
			b.Errorf("transaction %d:\ngot  %q\nwant %q", i, all[i], want[i])
		}
	}
	if len(all) != len(want) {
		b.Errorf("%d transactions, want %d: %q", len(all), len(want), all)
	}
}

// transactionsInOrder runs what SQL can say about transactions: savepoints, rollbacks, key changes, several tables, tables
// that are not captured, nothing at all.
func transactionsInOrder(b *bench) {
	start := b.start(b.options())
	sql := strings.NewReplacer("$a", b.table("a"), "$b", b.table("b"), "$x", b.foreign("a"))
	for _, transaction := range [][]string{
		{"INSERT INTO $a VALUES (1,'one'),(2,'two'),(3,'three')"},
		{"BEGIN", "INSERT INTO $a VALUES (4,'four')", "SAVEPOINT s", "INSERT INTO $a VALUES (5,'five')", "INSERT INTO $b VALUES (5,'five')", "ROLLBACK TO SAVEPOINT s",
			"INSERT INTO $b VALUES (1,'b')", "UPDATE $a SET v='4' WHERE id=4", "COMMIT"},
		{"BEGIN", "INSERT INTO $a VALUES (6,'never')", "INSERT INTO $b VALUES (6,'never')", "ROLLBACK"},
		{"BEGIN", "COMMIT"},
		{"INSERT INTO $x VALUES (1,'x')"},
		{"UPDATE $a SET id=30 WHERE id=3"},
		{"DELETE FROM $a WHERE id=2"},
		{"BEGIN", "INSERT INTO $a VALUES (7,'a')", "INSERT INTO $x VALUES (7,'x')", "INSERT INTO $b VALUES (7,'b')", "UPDATE $a SET v='aa' WHERE id=7", "UPDATE $x SET v='xx' WHERE id=7",
			"DELETE FROM $b WHERE id=7", "COMMIT"},
		{"BEGIN", "DELETE FROM $x", "COMMIT"},
		{"BEGIN", "INSERT INTO $a VALUES (8,'8')", "SAVEPOINT x", "INSERT INTO $a VALUES (9,'9')", "SAVEPOINT y", "INSERT INTO $a VALUES (10,'never')", "ROLLBACK TO SAVEPOINT y",
			"RELEASE SAVEPOINT x", "INSERT INTO $a VALUES (11,'11')", "COMMIT"},
		{"BEGIN", "UPDATE $a SET id=100 WHERE id=1", "INSERT INTO $a VALUES (1,'again')", "UPDATE $a SET id=101, v=NULL WHERE id=100", "DELETE FROM $a WHERE id=4",
			"INSERT INTO $a VALUES (4,'')", "COMMIT"},
		{"BEGIN", "INSERT INTO $b VALUES (12,'gone')", "DELETE FROM $b WHERE id=12", "COMMIT"},
		{"BEGIN", "SAVEPOINT s", "INSERT INTO $b VALUES (13,'never')", "ROLLBACK TO SAVEPOINT s", "COMMIT"},
	} {
		for i := range transaction {
			transaction[i] = sql.Replace(transaction[i])
		}
		b.exec(transaction...)
	}
	b.finish()
	got := b.record(b.options(), start)
	b.wantTransactions(got, [][]string{
		{"insert a 1,one", "insert a 2,two", "insert a 3,three"},
		{"insert a 4,four", "insert b 1,b", "update a 4,4"},
		{"update a 3=>30,three"},
		{"delete a 2"},
		{"insert a 7,a", "insert b 7,b", "update a 7,aa", "delete b 7"},
		{"insert a 8,8", "insert a 9,9", "insert a 11,11"},
		{"update a 1=>100,one", "insert a 1,again", "update a 100=>101,NULL", "delete a 4", "insert a 4,"},
		{"insert b 12,gone", "delete b 12"},
	})
}

// commitOrder interleaves sessions: what counts is who commits first, and transactions never mix.
func commitOrder(b *bench) {
	start := b.start(b.options())
	const n = 4
	var sessions [n]Session
	for i := range sessions {
		sessions[i] = b.session()
		defer sessions[i].Close()
		b.run(sessions[i], "BEGIN")
	}
	want := make([][]string, n)
	for row := range 5 {
		for i, s := range sessions {
			table := []string{"a", "b"}[row%2]
			b.run(s, fmt.Sprintf("INSERT INTO %s VALUES (%d,'%d')", b.table(table), 10*row+i, i))
			want[n-1-i] = append(want[n-1-i], fmt.Sprintf("insert %s %d,%d", table, 10*row+i, i))
		}
	}
	for _, s := range slices.Backward(sessions[:]) {
		b.run(s, "COMMIT")
	}
	b.finish()
	b.wantTransactions(b.record(b.options(), start), want)
}

// uncapturedNeverShow excludes a table by name. Its rows, like those of other schemas, show nowhere: not as changes, not in
// ordinals, not in checkpoints that a resume could stumble over.
func uncapturedNeverShow(b *bench) {
	o := b.small()
	o.Exclude = []string{b.db.Captured + "." + b.name + "_b"}
	start := b.start(o)
	b.exec("BEGIN", fill(b.table("b"), 0, 300, 200), fill(b.table("a"), 0, 10, 10), fill(b.foreign("a"), 0, 300, 200), fill(b.table("a"), 10, 10, 10), "COMMIT")
	b.exec(fill(b.table("b"), 1000, 300, 200), fill(b.foreign("a"), 1000, 300, 200))
	b.finish()
	got := b.record(o, start)
	if len(got.changes) != 21 {
		b.Fatalf("%d changes, want 21: %q", len(got.changes), tail(got.briefs()))
	}
	for _, c := range got.changes {
		if strings.Contains(c.brief, " b ") {
			b.Errorf("got %q", c.brief)
		}
	}
	b.resumes(o, got)
}

// shapesOfTheirTime changes a table between rows. Each row has the columns of its time, on a replay too, when the catalogue
// has long moved on.
func shapesOfTheirTime(b *bench) {
	o, t := b.options(), b.table("a")
	start := b.start(o)
	b.exec("INSERT INTO " + t + " VALUES (1,'one')")
	want := []string{"id,v insert a 1,one", "id,v,n insert a 2,two,22", "id,v,n update a 1,one,11", "id,w,n insert a 3,three,33", "id,n insert a 4,44"}
	if b.db.Undescribed {
		seen, err := b.collect(o, start, func(r *recording) bool { return len(r.changes) > 0 })
		if err != nil {
			b.Fatal(err)
		}
		start, want = seen.last(), want[1:]
	}
	b.exec("ALTER TABLE "+t+" ADD COLUMN n INT", "INSERT INTO "+t+" VALUES (2,'two',22)", "UPDATE "+t+" SET n=11 WHERE id=1",
		"ALTER TABLE "+t+" RENAME COLUMN v TO w", "INSERT INTO "+t+" VALUES (3,'three',33)", "ALTER TABLE "+t+" DROP COLUMN w", "INSERT INTO "+t+" VALUES (4,44)")
	b.finish()
	got := b.record(o, start)
	for i, c := range got.changes[:len(got.changes)-1] {
		names := make([]string, len(c.table.Columns))
		for j, col := range c.table.Columns {
			names[j] = col.Name
		}
		if text := strings.Join(names, ",") + " " + c.brief; i >= len(want) || text != want[i] {
			b.Errorf("got %q, want %q", text, want[min(i, len(want)-1)])
		}
	}
	if len(got.briefs()) != len(want) {
		b.Errorf("%d changes, want %d", len(got.briefs()), len(want))
	}
	b.sameChanges("a replay", b.record(o, start), got.changes)
	b.resumes(o, got)
}
