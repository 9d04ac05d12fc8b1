package mysql

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// recording plays a binlog file and folds its rows into tables.
type recording struct {
	batch   *changelog.Batch
	facts   map[string][]columnFacts
	maps    map[uint64]tableMap
	shapes  map[string]*shape
	rows    map[string][]changelog.Row
	events  map[string][]rowsEvent // by table
	kinds   map[eventType]int
	faults  []fault.Code
	gtids   []gtidBody
	payload payloadReader
}

func newRecording() *recording {
	return &recording{batch: changelog.NewBatch(), maps: map[uint64]tableMap{}, shapes: map[string]*shape{}, rows: map[string][]changelog.Row{}, events: map[string][]rowsEvent{}, kinds: map[eventType]int{}}
}

func (r *recording) play(log []byte) error {
	log = log[4:]
	for len(log) > 0 {
		h, err := parseHeader(log)
		if err != nil {
			return err
		}
		event := log[:h.Size]
		log = log[h.Size:]
		if err := verifyChecksum(event); err != nil {
			return err
		}
		if h.Type == eventFormatDescription {
			f, err := parseFormat(event[headerSize:])
			if err != nil || !f.Checksum {
				return fmt.Errorf("format %+v: %w", f, err)
			}
			continue
		}
		if err := r.event(h, event[headerSize:len(event)-checksumSize]); err != nil {
			return fmt.Errorf("event of type %d that ends at %d: %w", h.Type, h.NextPos, err)
		}
	}
	return nil
}

func (r *recording) event(h eventHeader, body []byte) error {
	r.kinds[h.Type]++
	var err error
	switch h.Type {
	case eventTableMap:
		var m tableMap
		m, err = parseTableMap(body)
		r.maps[m.ID] = m
	case eventWriteRows, eventUpdateRows, eventDeleteRows, eventPartialUpdateRows:
		if err = r.rowsEvent(h, body); fault.IsFinal(err) {
			r.faults = append(r.faults, fault.CodeOf(err))
			err = nil
		}
	case eventTransactionPayload:
		err = r.compressed(body)
	case eventGTID, eventGTIDTagged:
		var g gtidBody
		if g, err = parseGTID(body); h.Type == eventGTIDTagged {
			g, err = parseGTIDTagged(body)
		}
		r.gtids = append(r.gtids, g)
	case eventQuery:
		var q queryBody
		if q, err = parseQuery(body); err == nil {
			err = sameBegin(body, q)
		}
		if err == nil && (len(q.SQL) == 0 || q.Client == 0) {
			err = fmt.Errorf("the statement %q of the collation %d", q.SQL, q.Client)
		}
	case eventXID:
		_, err = parseXID(body)
	case eventRotate:
		_, err = parseRotate(body)
	case eventXAPrepare:
		_, err = parseXAPrepare(body)
	case eventPreviousGTIDs, eventStop:
	default:
		err = fmt.Errorf("unexpected")
	}
	return err
}

func (r *recording) compressed(body []byte) error {
	if err := r.payload.open(bytes.NewReader(body)); err != nil {
		return err
	}
	for {
		h, err := r.payload.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Type == eventXID {
			r.kinds[h.Type]++
			continue // next must step over what is not read
		}
		inner := r.batch.Grab(r.payload.bodySize())
		if err := r.payload.body(inner); err != nil {
			return err
		}
		if err := r.event(*h, inner); err != nil {
			return err
		}
	}
}

func (r *recording) rowsEvent(h eventHeader, body []byte) error {
	e, err := parseRows(h.Type, body)
	if err != nil {
		return err
	}
	m := r.maps[e.TableID]
	r.events[string(m.Name)] = append(r.events[string(m.Name)], e)
	s := r.shapes[string(m.Shape)]
	if s == nil {
		if s, err = newShape(m, r.facts[string(m.Name)]); err != nil {
			return err
		}
		r.shapes[string(m.Shape)] = s
	}
	from := len(r.batch.Changes)
	done, err := s.decodeRows(r.batch, e, 0, &ordinals{})
	if err != nil {
		return err
	}
	if done.Rows != len(r.batch.Changes)-from {
		return fmt.Errorf("%d rows and %d changes", done.Rows, len(r.batch.Changes)-from)
	}
	for _, ch := range r.batch.Changes[from:] {
		name := string(m.Name)
		if ch.Before != nil {
			i := slices.IndexFunc(r.rows[name], func(row changelog.Row) bool { return agree(row, ch.Before) })
			if i < 0 {
				return fmt.Errorf("no row in %s is equal to the before image of a %s", name, ch.Op)
			}
			r.rows[name] = slices.Delete(r.rows[name], i, i+1)
		}
		if ch.After != nil {
			r.rows[name] = append(r.rows[name], ch.After)
		}
	}
	return nil
}

// agree compares what both rows have.
func agree(a, b changelog.Row) bool {
	return slices.EqualFunc(a[:min(len(a), len(b))], b[:min(len(a), len(b))], func(v, w changelog.Value) bool { return v.IsUnchanged() || w.IsUnchanged() || v.Equal(w) })
}

func equalRows(a, b changelog.Row) bool {
	return slices.EqualFunc(a[:min(len(a), len(b))], b[:min(len(a), len(b))], changelog.Value.Equal)
}

// recorded plays one recording; its batch lives until the test ends.
func recorded(t testing.TB, name string) *recording {
	t.Helper()
	r := newRecording()
	if err := r.play(unpack(t, "testdata/"+name+".binlog.gz")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.payload.close)
	return r
}

func unpack(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
