package upsert

import (
	"slices"
	"strings"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// cue is the place of a record beside the rows: before Batch.Changes[at].
type cue struct {
	at    int
	about formats.About
	txn   int  // index into Batch.Txns, -1: none
	note  int  // index into Batch.Notes, -1: none
	again bool // the statement was told already, of another table of it

	whole *changelog.Note // the note with what all notes of its statement say; nil: there is no other
}

// cueList finds the places in a batch, in their order.
//
// A transaction begins at the first of its changes and messages and ends at its end: what of it left in earlier batches is not
// begun again. On PostgreSQL a truncation is as a change; on MySQL, where notes have files, it is a statement as others, and a
// transaction of statements alone has neither begin nor end, as in Debezium. Rows of a snapshot belong to none.
type cueList struct {
	batch *changelog.Batch
	cues  []cue
	txn   int  // that is being walked through, -1: before the first
	begun bool // its begin was told, here or with an earlier part
	ended bool // its end was told here, or is not to be told
}

func cuesOf(b *changelog.Batch) []cue {
	l := cueList{batch: b, txn: -1, ended: true}
	for run, note := 0, 0; run < len(b.Runs) || note < len(b.Notes); {
		if note < len(b.Notes) && (run == len(b.Runs) || b.Notes[note].At <= b.Runs[run].From) {
			l.note(note)
			note++
			continue
		}
		r := &b.Runs[run]
		l.enter(r.Txn, r.From)
		l.begin(r.From)
		run++
	}
	l.enter(len(b.Txns)-1, len(b.Changes))
	l.end(len(b.Changes))
	return l.cues
}

func (l *cueList) add(at int, a formats.About, txn, note int) {
	l.cues = append(l.cues, cue{at: at, about: a, txn: txn, note: note})
}

// enter goes on to a transaction, past those before it.
func (l *cueList) enter(txn, at int) {
	for l.txn < txn {
		l.end(at)
		l.txn++
		t := &l.batch.Txns[l.txn]
		l.begun, l.ended = !t.First, t.Snapshot
	}
}

func (l *cueList) begin(at int) {
	if !l.begun && !l.ended {
		l.begun = true
		l.add(at, formats.AboutBegin, l.txn, -1)
	}
}

func (l *cueList) end(at int) {
	if l.begun && !l.ended && l.batch.Txns[l.txn].Last {
		l.ended = true
		l.add(at, formats.AboutEnd, l.txn, -1)
	}
}

func (l *cueList) note(i int) {
	n := &l.batch.Notes[i]
	if n.Txn < 0 {
		l.end(n.At)
	} else {
		l.enter(n.Txn, n.At)
	}
	a := aboutNote(n)
	switch {
	case a == 0:
		return
	case n.Txn >= 0 && (a == formats.AboutMessage || a == formats.AboutTruncate && n.File == ""):
		l.begin(n.At)
	}
	l.add(n.At, a, n.Txn, i)
	if a == formats.AboutStatement && i > 0 && sameStatement(n, &l.batch.Notes[i-1]) {
		l.cues[len(l.cues)-1].again = true
		l.join(n)
	}
}

// join adds what a note says to the first one of the same statement.
func (l *cueList) join(n *changelog.Note) {
	first := len(l.cues) - 1
	for l.cues[first].again {
		first--
	}
	c := &l.cues[first]
	if c.whole == nil {
		whole := l.batch.Notes[c.note]
		whole.Changed = slices.Clone(whole.Changed)
		c.whole = &whole
	}
	for _, d := range n.Changed {
		if !slices.Contains(c.whole.Changed, d) {
			c.whole.Changed = append(c.whole.Changed, d)
		}
	}
}

// sameStatement reports that a source tells of one statement once for each of its tables.
func sameStatement(a, b *changelog.Note) bool {
	return a.Kind == b.Kind && a.Txn == b.Txn && a.Pos == b.Pos && a.File == b.File && a.Text == b.Text
}

// aboutNote is what a record of the note is about; 0: there is none.
func aboutNote(n *changelog.Note) formats.About {
	switch n.Kind {
	case changelog.Truncate:
		if n.Text == "" || truncation(n) { // a message about a truncation has no statement
			return formats.AboutTruncate
		}
		return formats.AboutStatement // it takes rows away without logging them, as the drop of a partition does
	case changelog.DDL:
		if truncation(n) {
			return 0 // on_truncate: ignore
		}
		return formats.AboutStatement
	case changelog.Message:
		return formats.AboutMessage
	case changelog.Heartbeat:
		return formats.AboutHeartbeat
	}
	return 0
}

// truncation reports a TRUNCATE TABLE. Other statements that take rows away leave some, or change the definition too.
func truncation(n *changelog.Note) bool {
	if len(n.Changed) > 0 {
		return false
	}
	text := n.Text
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		end := ""
		switch {
		case strings.HasPrefix(text, "/*!"), strings.HasPrefix(text, "/*M!"):
			text = strings.TrimLeft(text[strings.IndexByte(text, '!')+1:], "0123456789") // it is executed
			continue
		case strings.HasPrefix(text, "/*"):
			end = "*/"
		case strings.HasPrefix(text, "-- "), strings.HasPrefix(text, "#"):
			end = "\n"
		default:
			const word = "TRUNCATE"
			return len(text) > len(word) && strings.EqualFold(text[:len(word)], word)
		}
		_, rest, ok := strings.Cut(text, end)
		if !ok {
			return false
		}
		text = rest
	}
}

// countsOf adds up the changes of a transaction: those of its parts before the batch, and those in it, of tables that the output
// writes. The tables are in the order of their first changes as far as that is known.
func countsOf(b *changelog.Batch, txn int, o *Output) []changelog.Count {
	counts := append([]changelog.Count(nil), b.Txns[txn].Done...)
	at := map[string]int{}
	for i := range counts {
		at[counts[i].Table] = i
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		if r.Txn != txn {
			continue
		}
		name := r.Table.FullName()
		k, ok := at[name]
		if !ok {
			k = len(counts)
			at[name] = k
			counts = append(counts, changelog.Count{Table: name})
		}
		counts[k].Changes += uint64(r.To - r.From)
	}
	if o.Tables == nil {
		return counts
	}
	mine := counts[:0]
	for _, c := range counts {
		namespace, table, _ := strings.Cut(c.Table, ".")
		if o.Tables.Match(namespace, table) {
			mine = append(mine, c)
		}
	}
	return mine
}
