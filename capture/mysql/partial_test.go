package mysql

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// TestRecordedPartialRows looks at what two servers have logged of an update with the image MINIMAL, and of one that changed a
// member of a document with PARTIAL_JSON.
func TestRecordedPartialRows(t *testing.T) {
	for _, version := range []string{"8.0", "9.7"} {
		r := recorded(t, "refused-"+version)
		s, events := r.lastShape("refused"), r.events["refused"]
		b := changelog.NewBatch()
		defer b.Release()
		for _, e := range events[:3] {
			if _, err := s.decodeRows(b, e, 0, &ordinals{}); err != nil {
				t.Fatal(err)
			}
		}
		insert, minimal, diff := b.Changes[0], b.Changes[1], b.Changes[2]
		u, doc := changelog.Unchanged(), insert.After[2]
		for what, rows := range map[string][2]changelog.Row{
			"old row of MINIMAL":      {minimal.Before, {changelog.Int(1), u, u}},
			"new row of MINIMAL":      {minimal.After, {changelog.Int(1), changelog.Int(3), u}},
			"old row of PARTIAL_JSON": {diff.Before, {changelog.Int(1), changelog.Int(3), doc}},
			"new row of PARTIAL_JSON": {diff.After, {changelog.Int(1), changelog.Int(3), u}},
		} {
			if len(rows[0]) != 3 || !equalRows(rows[0], rows[1]) {
				t.Errorf("%s: the %s is %v, want %v", version, what, rows[0], rows[1])
			}
		}
		if events[0].partial() || !events[1].partial() || events[1].Options || !events[2].Options {
			t.Errorf("%s: %+v", version, events[:3])
		}
	}
}

// partialOf writes a complete row image as one that has some columns only. Of the documents that diffs names it writes bytes
// that are no document.
func partialOf(t testing.TB, s *shape, p, present []byte, options bool, diffs []bool) (image, rest []byte) {
	nulls := p[:s.nullBytes]
	p = p[s.nullBytes:]
	out := make([]byte, (len(s.columns)+7)/8)
	var head, values []byte
	if options {
		head = append(head, 0)
	}
	if options && slices.Contains(diffs, true) {
		head[0] = optionPartialJSON
		bits, n := make([]byte, (s.documents()+7)/8), 0
		for i := range s.columns {
			if s.isDocument(i) {
				bits[n/8] |= byte(b2i(diffs[i])) << (n % 8)
				n++
			}
		}
		head = append(head, bits...)
	}
	n := 0
	for i := range s.columns {
		var value []byte
		null := hasBit(nulls, i)
		if !null {
			_, to := s.columns[i].span(p)
			if to < 0 {
				t.Fatal("the image is not whole")
			}
			value, p = p[:to], p[to:]
		}
		if !hasBit(present, i) {
			continue
		}
		if null {
			out[n/8] |= 1 << (n % 8)
		} else if diffs != nil && diffs[i] {
			values = append(values, 3, 0, 0, 0, 0xff, 0xff, 0xff)
		} else {
			values = append(values, value...)
		}
		n++
	}
	return append(append(head, out[:(n+7)/8]...), values...), p
}

// TestPartialRowsOfAllTypes leaves columns out of the recorded rows of every type, in every kind of event, and compares what is
// left with the rows as they were.
func TestPartialRowsOfAllTypes(t *testing.T) {
	r := recorded(t, "types-9.7")
	rnd := rand.New(rand.NewPCG(1, 2))
	tested := map[string]bool{}
	for round := range 2000 {
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range r.events {
				if !yield(name) {
					return
				}
			}
		})
		name := names[round%len(names)]
		s, whole := r.lastShape(name), r.events[name][0]
		if whole.Op != changelog.Insert || whole.partial() || whole.Columns != len(s.columns) || len(whole.Rows) > 1<<16 {
			continue
		}
		tested[name] = true
		comparePartial(t, rnd, s, whole)
		if t.Failed() {
			t.Fatalf("round %d: %s", round, name)
		}
	}
	for _, name := range []string{"numbers", "decimals", "times", "texts", "labels", "shapes", "documents"} {
		if !tested[name] {
			t.Errorf("%s was not tested", name)
		}
	}
}

func comparePartial(t *testing.T, rnd *rand.Rand, s *shape, whole rowsEvent) {
	bits := func() []byte {
		p := make([]byte, (len(s.columns)+7)/8)
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		p[0] |= 1 // a row has its key at least
		return p
	}
	e := rowsEvent{Op: []changelog.Op{changelog.Insert, changelog.Update, changelog.Delete}[rnd.IntN(3)], Columns: whole.Columns}
	var diffs []bool
	if e.Op != changelog.Insert {
		e.Before = bits()
	}
	if e.Op != changelog.Delete {
		e.After = bits()
	}
	if e.Op == changelog.Update && rnd.IntN(2) == 0 {
		e.Options, diffs = true, make([]bool, len(s.columns))
		for i := range diffs {
			diffs[i] = s.isDocument(i) && rnd.IntN(2) == 0
		}
	}
	images := 0
	for p := whole.Rows; len(p) > 0; images++ {
		var image, rest []byte
		if e.Before != nil {
			image, rest = partialOf(t, s, p, e.Before, false, nil)
			e.Rows = append(e.Rows, image...)
		}
		if e.After != nil {
			image, rest = partialOf(t, s, p, e.After, e.Options, diffs)
			e.Rows = append(e.Rows, image...)
		}
		p = rest
	}
	b := changelog.NewBatch()
	defer b.Release()
	if _, err := s.decodeRows(b, whole, 0, &ordinals{}); err != nil {
		t.Fatal(err)
	}
	skip := rnd.IntN(images + 1)
	done, err := s.decodeRows(b, e, skip, &ordinals{})
	if err != nil || done.Rows != images || done.Skipped != skip || len(b.Changes) != 2*images-skip {
		t.Fatalf("%+v of %d rows, %d changes: %v", done, images, len(b.Changes), err)
	}
	for i, ch := range b.Changes[images:] {
		want := b.Changes[skip+i].After
		for j := range want {
			before := want[j]
			if e.Before != nil && !hasBit(e.Before, j) {
				before = changelog.Unchanged()
			}
			after := before
			if e.After != nil && hasBit(e.After, j) {
				if after = want[j]; diffs != nil && diffs[j] && !after.IsNull() {
					after = changelog.Unchanged()
				}
			} else if e.Before == nil {
				after = changelog.Unchanged()
			}
			if e.Before != nil && !ch.Before[j].Equal(before) || e.After != nil && !ch.After[j].Equal(after) {
				t.Errorf("%s, column %q: %v -> %v, want %v -> %v", e.Op, s.columns[j].name, ch.Before, ch.After, before, after)
			}
		}
	}
}

func TestRowsWithoutColumnsAreAFault(t *testing.T) {
	s, _ := orders(t)
	for _, e := range []rowsEvent{
		{Op: changelog.Insert, Columns: 12, After: []byte{0, 0}},
		{Op: changelog.Update, Columns: 12, Before: []byte{0, 0}, After: []byte{0, 0}, Rows: []byte{1}},
	} {
		b := changelog.NewBatch()
		for _, skip := range []int{0, 1000} {
			if _, err := s.decodeRows(b, e, skip, &ordinals{}); !fault.Is(err, fault.SourceSettings) || !fault.IsFinal(err) {
				t.Errorf("%+v, skipping %d: %v", e, skip, err)
			}
		}
		b.Release()
	}
}

func TestPartialRowsThatAreCutAreAFault(t *testing.T) {
	s, whole := orders(t)
	e := rowsEvent{Op: changelog.Update, Columns: 12, Before: []byte{1, 0}, After: []byte{0xfe, 0x05}, Options: true}
	image, _ := partialOf(t, s, whole.Rows, e.Before, false, nil)
	e.Rows = append(e.Rows, image...)
	image, _ = partialOf(t, s, whole.Rows, e.After, true, nil)
	e.Rows = append(e.Rows, image...)
	for n := range e.Rows {
		cut := e
		cut.Rows = e.Rows[:n]
		if n == 0 {
			continue
		}
		b := changelog.NewBatch()
		for _, skip := range []int{0, 1} {
			if _, err := s.decodeRows(b, cut, skip, &ordinals{}); !fault.Is(err, fault.SchemaUnknown) || !fault.IsFinal(err) {
				t.Errorf("%d of %d bytes, skipping %d: %v", n, len(e.Rows), skip, err)
			}
		}
		b.Release()
	}
}

func TestEventsThatAreCloned(t *testing.T) {
	e := rowsEvent{Rows: []byte{1}, Before: []byte{2}, After: []byte{3}}
	c := e.clone()
	e.Rows[0], e.Before[0], e.After[0] = 9, 9, 9
	if c.Rows[0] != 1 || c.Before[0] != 2 || c.After[0] != 3 {
		t.Errorf("%+v", c)
	}
	if c = (rowsEvent{}).clone(); c.partial() {
		t.Error("a clone of complete images is partial")
	}
}

func TestBitsOfAllColumns(t *testing.T) {
	for n := 1; n < 20; n++ {
		all := bytes.Repeat([]byte{0xff}, (n+7)/8)
		if !hasAll(all, n) {
			t.Errorf("%d columns: %x", n, all)
		}
		for i := range n {
			all[i/8] ^= 1 << (i % 8)
			if hasAll(all, n) {
				t.Errorf("%d columns without %d: %x", n, i, all)
			}
			all[i/8] ^= 1 << (i % 8)
		}
		if n%8 != 0 {
			all[n/8] &= 1<<(n%8) - 1 // the bits behind the last column say nothing
			if !hasAll(all, n) {
				t.Errorf("%d columns: %x", n, all)
			}
		}
	}
}

func FuzzPartialRows(f *testing.F) {
	r := recorded(f, "refused-9.7")
	s := r.lastShape("refused")
	for _, e := range r.events["refused"] {
		if e.partial() {
			f.Add(byte(e.Op), e.Options, byte(0xff), byte(0xff), e.Rows)
			f.Add(byte(e.Op), e.Options, e.Before[0], e.After[0], e.Rows)
		}
	}
	f.Fuzz(func(t *testing.T, op byte, options bool, before, after byte, rows []byte) {
		if op < byte(changelog.Insert) || op > byte(changelog.Delete) {
			return
		}
		e := rowsEvent{Op: changelog.Op(op), Columns: len(s.columns), Rows: rows, Options: options}
		if e.Op != changelog.Insert {
			e.Before = []byte{before}
		}
		if e.Op != changelog.Delete {
			e.After = []byte{after}
		}
		b := changelog.NewBatch()
		defer b.Release()
		done, err := s.decodeRows(b, e, 0, &ordinals{})
		skipped, skipErr := s.decodeRows(b, e, 1<<30, &ordinals{})
		if err != nil {
			return
		}
		if skipErr != nil || skipped.Rows != done.Rows || skipped.SkippedBytes != len(rows) {
			t.Errorf("decoding finds %d rows, skipping %+v, %v", done.Rows, skipped, skipErr)
		}
		for _, ch := range b.Changes {
			if (ch.Before == nil) != (e.Op == changelog.Insert) || (ch.After == nil) != (e.Op == changelog.Delete) {
				t.Errorf("%+v", ch)
			}
		}
		if e.After == nil {
			return
		}
		var g gaps
		ev := rowsInTxn{shape: s, rows: e}
		if err := g.find(b, 0, ev, &txn{}, 0); err != nil {
			return
		}
		if g.rewind(0); g.owed != 0 || len(g.list) != 0 {
			t.Errorf("%+v", g)
		}
	})
}
