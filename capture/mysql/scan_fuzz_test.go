package mysql

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
)

func FuzzCursor(f *testing.F) {
	d := ordersTable()
	d.Unique = []schema.Index{unique("PRIMARY", "id", "status", "total", "rate", "day", "at", "span", "kind", "flags", "bits", "raw", "code")}
	table := scanTableOf(f, d)
	f.Add(string(table.key.cursor([][]byte{[]byte("1"), []byte("é'"), []byte("-1.5"), []byte("1e5"), []byte("2024-05-06"), []byte("2024-05-06 07:08:09"), []byte("-00:00:01"), []byte("1"), []byte("3"), []byte("7"), {0, 255}, []byte("x'")})))
	f.Add(`{"by":[],"at":[]}`)
	f.Fuzz(func(t *testing.T, c string) {
		values, err := table.key.parse(capture.Cursor(c))
		if err != nil || values == nil {
			return
		}
		again, err := table.key.parse(table.key.cursor(values))
		if err != nil || !slices.EqualFunc(again, values, bytes.Equal) {
			t.Fatalf("%q became %q: %v", values, again, err)
		}
		literals, err := table.key.literals(values)
		if err != nil {
			return
		}
		for i, l := range literals { // quotes only where they belong
			if n := strings.Count(l, "'"); n != 0 && n != 2 || strings.ContainsAny(l, "\x00;\\`\"") {
				t.Fatalf("%q became %s", values[i], l)
			}
		}
	})
}

func FuzzTextRow(f *testing.F) {
	table := scanTableOf(f, ordersTable())
	f.Add(sampleRow)
	f.Add(nullRow)
	f.Add([]byte{0xfe, 255, 255, 255, 255, 255, 255, 255, 255})
	key := make([][]byte, 1)
	f.Fuzz(func(t *testing.T, p []byte) {
		b := changelog.NewBatch()
		defer b.Release()
		row, err := table.row(b, p, key)
		if err != nil {
			return
		}
		for i, v := range row {
			if !v.IsNull() && v.Kind() != table.table.Columns[i].Type.Kind {
				t.Fatalf("column %d: a value of kind %d", i, v.Kind())
			}
		}
	})
}

func FuzzRowPackets(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x01\x01\x01\x00\x00\x02c\x05\x00\x00\x03\xfe\x00\x00\x02\x00\x02\x00\x00\x04\x01a\x05\x00\x00\x05\xfe\x00\x00\x02\x00"), 1)
	f.Add([]byte("\x09\x00\x00\x01\xff\x25\x05#70100"), 0)
	f.Fuzz(func(t *testing.T, wire []byte, piece int) {
		c := &memConn{data: wire, chunk: max(piece, 0), quiet: true}
		p := &rowPackets{wire: c, raw: &pollConn{Conn: c}, buf: make([]byte, 64), seq: 1}
		if err := p.head(); err != nil {
			return
		}
		total := 0
		for {
			row, err := p.next()
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errResult) && errorCode(err) == 0 && !strings.Contains(err.Error(), "ERROR 0") {
				t.Fatal(err)
			}
			if row == nil || err != nil {
				return
			}
			if total += len(row); total > len(wire) {
				t.Fatalf("%d bytes of rows in %d", total, len(wire))
			}
		}
	})
}
