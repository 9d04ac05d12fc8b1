package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// logWriter writes a binlog stream as a server sends it, in packets.
type logWriter struct {
	out    []byte
	seq    uint8
	pos    uint32
	gno    int64
	nosum  bool
	ticks  uint32
	length uint64 // that GTID events say; 0: none
	tables map[string]uint64
}

func newLog() *logWriter {
	w := &logWriter{seq: 1, ticks: 1_700_000_000, tables: map[string]uint64{}}
	w.artificial(eventRotate, append(binary.LittleEndian.AppendUint64(nil, 4), "binlog.000001"...))
	w.pos = 4
	w.format()
	w.event(eventPreviousGTIDs, make([]byte, 8))
	return w
}

// raw makes an event with its checksum.
func (w *logWriter) raw(t eventType, body []byte, next uint32, flags uint16) []byte {
	size := headerSize + len(body) + checksumSize
	if w.nosum {
		size -= checksumSize
	}
	e := binary.LittleEndian.AppendUint32(nil, w.ticks)
	e = append(e, byte(t))
	e = binary.LittleEndian.AppendUint32(e, 77)
	e = binary.LittleEndian.AppendUint32(e, uint32(size))
	e = binary.LittleEndian.AppendUint32(e, next)
	e = binary.LittleEndian.AppendUint16(e, flags)
	e = append(e, body...)
	if !w.nosum {
		e = binary.LittleEndian.AppendUint32(e, crc32.ChecksumIEEE(e))
	}
	return e
}

func (w *logWriter) event(t eventType, body []byte) {
	size := headerSize + len(body) + checksumSize
	if w.nosum {
		size -= checksumSize
	}
	w.pos += uint32(size)
	w.packet(w.raw(t, body, w.pos, 0))
}

func (w *logWriter) artificial(t eventType, body []byte) { w.packet(w.raw(t, body, 0, flagArtificial)) }

func (w *logWriter) packet(event []byte) {
	p := append([]byte{0}, event...)
	for {
		n := min(len(p), maxPacket)
		w.out = append(w.out, byte(n), byte(n>>8), byte(n>>16), w.seq)
		w.out = append(w.out, p[:n]...)
		w.seq++
		p = p[n:]
		if n < maxPacket {
			return
		}
	}
}

func (w *logWriter) format() {
	b := binary.LittleEndian.AppendUint16(nil, 4)
	b = append(b, make([]byte, 50+4)...)
	copy(b[2:], "9.7.4")
	b = append(b, headerSize)
	lengths := make([]byte, 42)
	for t, n := range map[eventType]byte{eventQuery: 13, eventTableMap: 8, eventWriteRows: 10, eventUpdateRows: 10, eventDeleteRows: 10} {
		lengths[t-1] = n
	}
	w.event(eventFormatDescription, append(append(b, lengths...), 1))
}

func (w *logWriter) gtid() {
	w.gno++
	uuid, _ := parseUUID(uuidA)
	b := append([]byte{0}, uuid[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.gno))
	b = append(b, 2)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.gno-1))
	b = binary.LittleEndian.AppendUint64(b, uint64(w.gno))
	micros := uint64(w.ticks)*1e6 + 5
	b = append(b, binary.LittleEndian.AppendUint64(nil, micros)[:7]...)
	if w.length > 0 {
		b = binary.LittleEndian.AppendUint64(append(b, 254), w.length)
	}
	w.event(eventGTID, b)
}

// status are the status variables of a statement as MySQL 9.7 writes them.
const status = "\x00\x00\x00\x00\x00" + "\x01\x20\x00\xa0\x45\x00\x00\x00\x00" + "\x06\x03std" + "\x04\x2d\x00\x2d\x00\xff\x00" + "\x12\xff\x00"

func (w *logWriter) query(sql string) {
	b := binary.LittleEndian.AppendUint32(nil, 9) // thread
	b = append(b, 0, 0, 0, 0, 4, 0, 0, byte(len(status)), 0)
	b = append(b, status...)
	w.event(eventQuery, append(append(b, "shop\x00"...), sql...))
}

func (w *logWriter) xid() { w.event(eventXID, make([]byte, 8)) }

func (w *logWriter) begin() { w.gtid(); w.query("BEGIN") }

// tableMap announces a table with the columns (id BIGINT, v VARCHAR(1000)) and the key id.
func (w *logWriter) tableMap(db, name string) {
	if w.tables[name] == 0 {
		w.tables[name] = uint64(100 + len(w.tables))
	}
	b := append(binary.LittleEndian.AppendUint64(nil, w.tables[name])[:6], 1, 0)
	b = append(append(append(b, byte(len(db))), db...), 0)
	b = append(append(append(b, byte(len(name))), name...), 0)
	b = append(b, 2, byte(typeLongLong), byte(typeVarchar), 2, 0xa0, 0x0f, 0x02)
	b = append(b, metaSignedness, 1, 0x00)
	b = append(b, metaDefaultCharset, 1, 45)
	b = append(b, metaColumnName, 5, 2, 'i', 'd', 1, 'v')
	b = append(b, metaPrimaryKey, 1, 0)
	w.event(eventTableMap, b)
}

// insert logs rows with these ids and a value of that width.
func (w *logWriter) insert(name string, width int, ids ...int64) {
	b := append(binary.LittleEndian.AppendUint64(nil, w.tables[name])[:6], 1, 0, 2, 0, 2, 0xff)
	for _, id := range ids {
		b = append(b, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
		b = binary.LittleEndian.AppendUint16(b, uint16(width))
		for i := range width {
			b = append(b, byte('a'+(int(id)+i)%26))
		}
	}
	w.event(eventWriteRows, b)
}

// memConn is a connection that has received everything already. At its end it is silent once and then broken.
type memConn struct {
	net.Conn
	data  []byte
	chunk int // most bytes a read gives, 0: as many as fit
	quiet bool
}

func (c *memConn) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		if !c.quiet {
			c.quiet = true
			return 0, errNothing
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

func (c *memConn) SetReadDeadline(time.Time) error { return nil }

// memStream streams a log from memory.
func memStream(t testing.TB, log []byte, from *position, batchBytes, chunk int) (*stream, chan *changelog.Batch) {
	t.Helper()
	cfg := NewConfig().(*Config)
	cfg.Tables, cfg.ExcludeTables, cfg.BatchBytes = []string{"shop.*"}, []string{"shop.not"}, batchBytes
	filter, err := capture.NewFilter(cfg.Tables, cfg.ExcludeTables)
	if err != nil {
		t.Fatal(err)
	}
	if from == nil {
		from = &position{server: uuidB, file: "binlog.000001", pos: 4, gtids: &gtidSet{}}
	}
	src := newSource(cfg, capture.Env{})
	src.filter, src.from, src.fresh = filter, from, true
	src.facts = &serverFacts{vars: map[string]string{"server_uuid": uuidB, "gtid_mode": "ON", "lower_case_table_names": "0", "innodb_native_foreign_keys": "OFF"}}
	if _, ok := from.gtids.(*domainState); ok {
		src.facts.mariadb = true
	}
	wire := &memConn{data: log, chunk: chunk}
	r := &eventReader{wire: wire, raw: &pollConn{Conn: wire}, buf: make([]byte, readBuffer), seq: 1, checksums: true, patience: time.Second}
	out := make(chan *changelog.Batch, 16)
	return newStream(src, r, out), out
}

// play streams a log to its end and gives all batches, which are not released.
func play(t testing.TB, log []byte, from *position, batchBytes, chunk int) ([]*changelog.Batch, error) {
	t.Helper()
	s, out := memStream(t, log, from, batchBytes, chunk)
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
			out = append(out, c.After[0].Int())
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

func parseHeader(b []byte) (h eventHeader, err error) { err = h.read(b); return h, err }

func parseGTID(body []byte) (g gtidBody, err error) { err = g.readPlain(body); return g, err }

func parseRows(t eventType, body []byte) (e rowsEvent, err error) {
	err = e.read(t, body)
	return e, err
}
