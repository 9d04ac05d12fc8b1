package capture_test

import (
	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// What the model has for tables without key. Its rows still have different values in a and b, which nobody is told: a row that is in the
// topic twice, or not, is seen at once.

// addKeyless makes a table without key with rows that were there before the log begins.
func (db *modelDB) addKeyless(name string, rows int) *modelTable {
	t := db.add(name, []string{"a", "b"}, rows)
	db.setKeyless(t, true)
	return t
}

// setKeyless takes a table's key away or gives it one. The log says nothing of it.
func (db *modelDB) setKeyless(t *modelTable, keyless bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t.keyless = keyless
	t.shape = shapeOf(t.name, t.logged(), 1)
	t.seen = t.shape
}

// logged is the key as the log and the scans have it.
func (t *modelTable) logged() []string {
	if t.keyless {
		return nil
	}
	return t.key
}

// rekey gives a table another key, and every row the same value in its column b. The log says nothing of it: to tell is the reads' task.
func (db *modelDB) rekey(t *modelTable, key []string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	t.key, t.shape = key, shapeOf(t.name, key, 1)
	t.seen = t.shape
	for _, rows := range []map[modelKey]modelRow{t.head, t.visible} {
		for k, r := range rows {
			delete(rows, k)
			k.B = "new"
			rows[k] = r
		}
	}
}

// whole reads all rows of a table without key, in no order.
func (r *modelReader) whole(t *modelTable, keys []modelKey, b *changelog.Batch) (got capture.Scanned) {
	got.Done = true
	if n := r.s.piece; n > 0 && len(keys) > n {
		keys, got.Done = keys[:n], false
	}
	r.s.mu.Lock()
	r.s.rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	r.s.mu.Unlock()
	got.Rows = len(keys)
	for _, k := range keys {
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Read, After: image(b, t.seen, k, t.visible[k])})
	}
	if len(keys) > 0 {
		b.Txns = append(b.Txns, changelog.Txn{First: true, Last: true, Snapshot: true})
		b.Runs = append(b.Runs, changelog.Run{Table: t.seen, From: 0, To: len(keys)})
	}
	return got
}

// modelLine is a row of a table without key.
type modelLine struct {
	key modelKey
	row modelRow
}

func lineOf(row changelog.Row) modelLine {
	return modelLine{modelKey{row[0].Int(), string(row[1].Bytes())}, modelRow{row[2].Uint(), string(row[3].Bytes())}}
}

// withheld reports whether a table without key is still to be read, by the checkpoint or by what a batch brings to it.
func (s *modelSink) withheld(b *changelog.Batch, name string) bool {
	if t := s.db.tables[name]; !t.keyless || len(t.shape.Key) > 0 {
		return false
	}
	status := statusIn(s.open.state, name)
	for _, e := range b.Next.State {
		if e.Key == "snapshot/shop."+name {
			status = statusIn(map[string]string{e.Key: string(e.Value)}, name)
		}
	}
	switch status {
	case capture.SnapshotWaiting, capture.SnapshotReading, capture.SnapshotPaused:
		return true
	}
	return false
}

// bag takes a change of a table without key: no row may be there twice, and none may go that has not come.
func (s *modelSink) bag(name string, ch *changelog.Change) {
	if s.open.bags[name] == nil {
		s.open.bags[name] = map[modelLine]int{}
	}
	bag := s.open.bags[name]
	if ch.Before != nil {
		line := lineOf(ch.Before)
		if bag[line]--; bag[line] < 0 {
			s.t.Errorf("%s: %v goes and was never there", name, line)
		}
		if bag[line] == 0 {
			delete(bag, line)
		}
	}
	if ch.After != nil {
		line := lineOf(ch.After)
		if bag[line]++; bag[line] > 1 {
			s.t.Errorf("%s: %v is there twice (%s)", name, line, ch.Op)
		}
	}
}

// sameBag compares the rows of a topic with those of a table without key.
func (s *modelSink) sameBag(t *modelTable) {
	s.t.Helper()
	bag := s.committed.bags[t.name]
	for k, r := range t.visible {
		if bag[modelLine{k, r}] != 1 {
			s.t.Errorf("%s: row %v %v is in the topic %d times", t.name, k, r, bag[modelLine{k, r}])
		}
	}
	if len(bag) != len(t.visible) {
		s.t.Errorf("%s: %d rows in the topic, %d in the table", t.name, len(bag), len(t.visible))
	}
}
