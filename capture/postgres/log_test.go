package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// walLog writes a stream as a walsender sends it.
type walLog struct {
	out    []byte
	lsn    uint64
	xid    uint32
	gap    uint64 // log between two commits
	commit uint64 // of the open transaction
	body   []byte
	places []place
}

// place is where in out a transaction begins, and its commit.
type place struct {
	at     int
	commit uint64
}

const (
	logStart  = 0x1000000
	ordersOID = 16400
	itemsOID  = 16500
	otherOID  = 16600
)

func newLog() *walLog { return &walLog{lsn: logStart, xid: 700, gap: 1 << 20} }

// frame wraps a message into XLogData.
func (w *walLog) frame(message []byte) {
	w.lsn += 8
	w.at(w.lsn, message)
}

func (w *walLog) at(lsn uint64, message []byte) {
	w.out = binary.BigEndian.AppendUint32(append(w.out, 'd'), uint32(4+dataHead+len(message)))
	w.out = binary.BigEndian.AppendUint64(append(w.out, 'w'), lsn)
	w.out = binary.BigEndian.AppendUint64(w.out, lsn)
	w.out = binary.BigEndian.AppendUint64(w.out, 0)
	w.out = append(w.out, message...)
}

func (w *walLog) keepalive(end uint64, reply byte) {
	w.out = binary.BigEndian.AppendUint32(append(w.out, 'd'), 4+keepaliveSize)
	w.out = binary.BigEndian.AppendUint64(append(w.out, 'k'), end)
	w.out = binary.BigEndian.AppendUint64(w.out, 0)
	w.out = append(w.out, reply)
}

// begin opens a transaction.
func (w *walLog) begin() {
	w.places = append(w.places, place{len(w.out), w.lsn + w.gap})
	w.xid++
	w.commit = w.lsn + w.gap
	b := binary.BigEndian.AppendUint64([]byte{'B'}, w.commit)
	b = binary.BigEndian.AppendUint64(b, uint64(w.xid)*1000)
	w.at(w.commit, binary.BigEndian.AppendUint32(b, w.xid))
}

func (w *walLog) end() {
	b := binary.BigEndian.AppendUint64([]byte{'C', 0}, w.commit)
	b = binary.BigEndian.AppendUint64(b, w.commit+48)
	w.lsn = w.commit + 48
	w.at(w.lsn, binary.BigEndian.AppendUint64(b, uint64(w.xid)*1000))
}

// relation describes a table with the columns (id int8, v text, n int4) and the key id.
func (w *walLog) relation(oid uint32, schema, name string) {
	w.frame(relationMessage(oid, schema, name, 'd'))
}

func relationMessage(oid uint32, schema, name string, identity byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'R'}, oid)
	b = append(append(append(append(b, schema...), 0), name...), 0, identity, 0, 3)
	for i, col := range []struct {
		name string
		typ  uint32
	}{{"id", 20}, {"v", 25}, {"n", 23}} {
		flag := byte(0)
		if i == 0 && identity != 'n' || identity == 'f' {
			flag = 1
		}
		b = append(append(append(b, flag), col.name...), 0)
		b = binary.BigEndian.AppendUint32(b, col.typ)
		b = binary.BigEndian.AppendUint32(b, 1<<32-1)
	}
	return b
}

// tuple is a row; nil is NULL, "\x00" an unchanged value.
func tuple(values ...any) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case string:
			if v == "\x00" {
				b = append(b, 'u')
				continue
			}
			b = append(binary.BigEndian.AppendUint32(append(b, 't'), uint32(len(v))), v...)
		}
	}
	return b
}

func rowMessage(op byte, oid uint32, tuples ...any) []byte {
	b := binary.BigEndian.AppendUint32([]byte{op}, oid)
	for _, t := range tuples {
		switch t := t.(type) {
		case rune:
			b = append(b, byte(t))
		case []byte:
			b = append(b, t...)
		}
	}
	return b
}

// insert logs a row with that id and a value of that width.
func (w *walLog) insert(oid uint32, width int, id int64) {
	w.body = append(w.body[:0], make([]byte, width)...)
	for i := range w.body {
		w.body[i] = byte('a' + (int(id)+i)%26)
	}
	w.frame(rowMessage('I', oid, 'N', tuple(strconv.FormatInt(id, 10), string(w.body), "7")))
}

// from is the log as a server sends it for a position: all transactions that end behind it, and the relations before them.
func (w *walLog) from(lsn pglogrepl.LSN) []byte {
	for _, p := range w.places {
		if p.commit >= uint64(lsn) {
			return w.out[p.at:]
		}
	}
	return nil
}

// memConn is a connection that has received everything already. At its end the server says that this was all, is silent once and
// then gone.
type memConn struct {
	net.Conn
	data  []byte
	chunk int // most bytes a read gives, 0: as many as fit
	said  bool
	quiet bool
}

func (c *memConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 && !c.said {
		var end walLog
		end.keepalive(0, 0)
		c.data, c.said = end.out, true
	}
	if len(c.data) == 0 {
		if !c.quiet {
			c.quiet = true
			return 0, os.ErrDeadlineExceeded
		}
		return 0, io.EOF
	}
	n := len(p)
	if c.chunk > 0 {
		n = min(n, c.chunk)
	}
	n = copy(p[:n], c.data)
	c.data = c.data[n:]
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// memCatalog is a catalogue that knows no table unless told.
type memCatalog struct {
	facts  map[uint32]*tableFacts
	looked atomic.Int32 // at the publications
	asked  atomic.Int32 // for a table
	err    error        // of the next look
	slow   time.Duration
}

func (c *memCatalog) query(context.Context, string, ...string) ([][]string, error) { return nil, nil }
func (c *memCatalog) tableFacts(_ context.Context, oid uint32) (*tableFacts, error) {
	c.asked.Add(1)
	time.Sleep(c.slow)
	return c.facts[oid], nil
}
func (c *memCatalog) checkPublications(context.Context) error {
	c.looked.Add(1)
	return c.err
}

func memReader(wire net.Conn) *walReader {
	now := time.Now()
	return &walReader{wire: wire, arrival: arrivalOn(wire), buf: make([]byte, readBuffer), flushed: new(atomic.Uint64),
		beat: time.Second, patience: silence, live: true, heard: now, told: now, asked: now}
}

// memStream streams a log from memory.
func memStream(t testing.TB, wire net.Conn, from *position, batchBytes int) (*stream, chan *changelog.Batch, *memCatalog) {
	t.Helper()
	cfg := NewConfig().(*Config)
	cfg.UnchangedValues = unchangedLeave // there is no server to read from
	cfg.Tables, cfg.ExcludeTables, cfg.BatchBytes, cfg.Database = []string{"public.*"}, []string{"public.other"}, batchBytes, "shop"
	selected, err := newSelection(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if from == nil {
		from = &position{system: "7431", timeline: 1, slot: "s", lsn: logStart}
	}
	src := newSource(cfg, capture.Env{Pipeline: "p", Log: slog.New(slog.DiscardHandler)})
	src.filter, src.selection, src.from, src.facts = selected.match, selected, from, &serverFacts{timeline: 1}
	src.cfg.BatchBytes = batchBytes
	out := make(chan *changelog.Batch, 16)
	s := newStream(src, memReader(wire), out)
	catalog := &memCatalog{facts: map[uint32]*tableFacts{}}
	s.tables.catalog = catalog
	return s, out, catalog
}

// play streams a log to its end and gives all batches, which are not released.
func play(t testing.TB, log []byte, from *position, batchBytes, chunk int, setups ...func(*stream, *memCatalog)) ([]*changelog.Batch, error) {
	t.Helper()
	s, out, catalog := memStream(t, &memConn{data: log, chunk: chunk}, from, batchBytes)
	for _, setup := range setups {
		setup(s, catalog)
	}
	defer s.close()
	failed := make(chan error, 1)
	go func() { failed <- s.run(context.Background()); close(out) }()
	var batches []*changelog.Batch
	for b := range out {
		batches = append(batches, b)
	}
	err := <-failed
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return batches, err
}

// ids are the ids of all rows in the batches.
func ids(batches []*changelog.Batch) []int64 {
	var out []int64
	for _, b := range batches {
		for _, c := range b.Changes {
			row := c.After
			if row == nil {
				row = c.Before
			}
			out = append(out, row[0].Int())
		}
	}
	return out
}

func span(from, n int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = from + int64(i)
	}
	return out
}
