package mysql

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// The targets look for panics, endless loops and runaway memory: the parsers see what a network gives them.

// seeds adds the bodies of the recorded events of the given types.
func seeds(f *testing.F, types ...eventType) {
	for _, name := range []string{"tables-9.7", "tables-8.0", "refused-9.7"} {
		log := unpack(f, "testdata/"+name+".binlog.gz")[4:]
		for len(log) > 0 {
			h, err := parseHeader(log)
			if err != nil {
				f.Fatal(err)
			}
			for _, t := range types {
				if t == h.Type && h.Size < 4096 {
					f.Add(byte(h.Type), log[headerSize:h.Size-checksumSize])
				}
			}
			log = log[h.Size:]
		}
	}
}

func FuzzBodies(f *testing.F) {
	seeds(f, eventGTID, eventGTIDTagged, eventQuery, eventXID, eventRotate, eventXAPrepare, eventFormatDescription)
	f.Add(byte(eventHeartbeatV2), []byte{1, 3, 'a', '.', '1', 2, 1, 4, 0})
	f.Add(byte(eventIncident), []byte{1, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		var err error
		switch eventType(typ) {
		case eventGTID, eventAnonymousGTID:
			var g gtidBody
			if g, err = parseGTID(body); err == nil && g.GNO < 0 {
				t.Errorf("%+v", g)
			}
		case eventGTIDTagged:
			var g gtidBody
			if g, err = parseGTIDTagged(body); err == nil && g.GNO < 0 {
				t.Errorf("%+v", g)
			}
		case eventQuery:
			var q queryBody
			if q, err = parseQuery(body); err == nil {
				if other := sameBegin(body, q); other != nil {
					t.Error(other)
				}
			}
		case eventXID:
			_, err = parseXID(body)
		case eventRotate:
			_, err = parseRotate(body)
		case eventXAPrepare:
			_, err = parseXAPrepare(body)
		case eventFormatDescription:
			_, err = parseFormat(body)
		case eventIncident:
			_, err = parseIncident(body)
		case eventHeartbeat, eventHeartbeatV2:
			_, err = parseHeartbeat(&eventHeader{Type: eventType(typ)}, body)
		default:
			_, err = parseRows(eventType(typ), body)
		}
		_ = err // any error is right
	})
}

func FuzzTableMap(f *testing.F) {
	seeds(f, eventTableMap)
	f.Fuzz(func(t *testing.T, _ byte, body []byte) {
		m, err := parseTableMap(body)
		if err != nil {
			return
		}
		s, err := newShape(m, nil)
		if err != nil {
			return
		}
		for i, c := range s.table.Columns {
			if c.SourceType == "" || s.columns[i].decode == nil || c.Type.Kind == changelog.KindNull {
				t.Errorf("column %d is half prepared: %+v", i, c)
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	var shapes []*shape
	for _, name := range []string{"types-9.7", "tables-9.7", "charsets-8.0"} {
		r := recorded(f, name)
		for _, table := range []string{"numbers", "decimals", "times", "texts", "labels", "shapes", "documents", "orders", "wide", "vectors", "gbk", "gb18030", "utf16", "ujis"} {
			if s := r.lastShape(table); s != nil {
				for _, e := range r.events[table] {
					if len(e.Rows) < 4096 {
						f.Add(len(shapes), byte(e.Op), e.Rows)
					}
				}
				shapes = append(shapes, s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i int, op byte, rows []byte) {
		if i < 0 || op < byte(changelog.Insert) || op > byte(changelog.Delete) {
			return
		}
		s := shapes[i%len(shapes)]
		e := rowsEvent{Op: changelog.Op(op), Columns: len(s.columns), Rows: rows}
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
			for j, v := range append(ch.Before[:len(ch.Before):len(ch.Before)], ch.After...) {
				switch v.Kind() {
				case changelog.KindString, changelog.KindJSON, changelog.KindEnum, changelog.KindSet, changelog.KindDecimal:
					if !utf8.Valid(v.Bytes()) {
						t.Errorf("value %d is not UTF-8", j)
					}
				}
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	r := recorded(f, "types-9.7")
	s := r.lastShape("documents")
	j := &s.columns[s.table.ColumnIndex("j")]
	for _, e := range r.events["documents"] {
		p := e.Rows[s.nullBytes:] // the first row: id, then the document
		if from, to := j.span(p[4:]); to > 0 && to < 8192 {
			f.Add(p[4+from : 4+to])
		}
	}
	f.Add(bomb()[2:])
	f.Add(nested(100)[2:])
	f.Fuzz(func(t *testing.T, doc []byte) {
		b := changelog.NewBatch()
		defer b.Release()
		var v changelog.Value
		if err := decodeJSON(j, doc, &v, b); err != nil {
			return
		}
		// An escape makes six bytes of one and base64 four of three; a number of eight bytes prints as 24.
		if limit := 64 + 32*len(doc); len(v.Bytes()) > limit {
			t.Errorf("%d bytes became %d", len(doc), len(v.Bytes()))
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add(payloadOf(f, true, 5, 1000, 0))
	f.Add(payloadOf(f, false, 5, 1000, 0))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var p payloadReader
		defer p.close()
		if err := p.open(bytes.NewReader(body)); err != nil || p.expect > 1<<24 {
			return
		}
		for {
			if _, err := p.next(); err != nil {
				return
			}
		}
	})
}

func FuzzCharsets(f *testing.F) {
	f.Add(uint16(28), []byte{0x81, 0x40, 'a'})
	f.Add(uint16(248), []byte{0x81, 0x30, 0x81, 0x30, 0xFE, 0x39})
	f.Add(uint16(54), []byte{0xD8, 0x00, 0xDC, 0x00})
	f.Add(uint16(12), []byte{0x8F, 0xB0, 0xA1})
	f.Fuzz(func(t *testing.T, collation uint16, raw []byte) {
		c, err := charsetOf(uint32(collation))
		if err != nil || collation == collationBinary {
			return
		}
		b := changelog.NewBatch()
		defer b.Release()
		text, err := c.text(b, raw)
		if err == nil && (!utf8.Valid(text) || len(raw) >= c.maxLen && len(text) == 0) {
			t.Errorf("%s % x became %q", c.name, raw, text)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(binary.LittleEndian.AppendUint32(make([]byte, 9), 40), true)
	f.Fuzz(func(t *testing.T, b []byte, sum bool) {
		if h, err := parseHeader(b); err == nil && h.Size < headerSize {
			t.Errorf("%+v", h)
		}
		if sum && verifyChecksum(b) == nil && len(b) < headerSize+checksumSize {
			t.Error("a checksum of nothing is right")
		}
	})
}
