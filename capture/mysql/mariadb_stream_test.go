package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// mariaGTID begins a transaction of MariaDB, or a statement alone. more is what follows the flags.
func (w *logWriter) mariaGTID(domain uint32, seq uint64, flags uint8, more ...byte) {
	b := binary.LittleEndian.AppendUint64(nil, seq)
	b = append(binary.LittleEndian.AppendUint32(b, domain), flags)
	w.event(eventMariaGTID, append(append(b, more...), make([]byte, max(0, 6-len(more)))...))
}

// unplaced logs events as MariaDB 11 does, which does not know their places when it writes them.
func (w *logWriter) unplaced(log func()) {
	at := len(w.out)
	log()
	for p := w.out[at:]; len(p) > 0; {
		n := int(p[0]) | int(p[1])<<8 | int(p[2])<<16
		e := p[5 : 4+n]
		binary.LittleEndian.PutUint32(e[13:], 0)
		end := len(e) - checksumSize
		binary.LittleEndian.PutUint32(e[end:], crc32.ChecksumIEEE(e[:end]))
		p = p[4+n:]
	}
}

// one is a transaction of one row.
func (w *logWriter) one(domain uint32, seq uint64, id int64) {
	w.mariaGTID(domain, seq, 0)
	w.unplaced(func() { w.tableMap("shop", "t"); w.insert("t", 10, id) })
	w.xid()
}

func (w *logWriter) rotateTo(file string) {
	w.artificial(eventRotate, append(binary.LittleEndian.AppendUint64(nil, 4), file...))
	w.pos = 4
	w.format()
}

// playMaria streams to the log's end, acknowledges every batch and gives the positions after each.
func playMaria(t *testing.T, log []byte, from *position) (ids []int64, at []*position, txns []string, err error) {
	t.Helper()
	s, out := memStream(t, log, from, 64<<10, 0)
	defer s.close()
	failed := make(chan error, 1)
	go func() { failed <- s.run(context.Background()); close(out) }()
	for b := range out {
		for _, c := range b.Changes {
			ids = append(ids, c.After[0].Int())
		}
		for _, x := range b.Txns {
			txns = append(txns, strings.Clone(x.ID))
		}
		p, err := parsePosition(changelog.Position(strings.Clone(string(b.Next.Pos))))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, p)
		s.src.Ack(changelog.Position(strings.Clone(string(b.Next.Pos))))
		b.Release()
	}
	if err = <-failed; errors.Is(err, io.EOF) {
		err = nil
	}
	return ids, at, txns, err
}

func fromNothing() *position {
	return &position{server: uuidB, file: "binlog.000001", pos: 4, gtids: &domainState{}}
}

func TestMariaStream(t *testing.T) {
	w := newLog()
	w.mariaGTID(0, 1, mariaStandalone)
	w.query("CREATE TABLE other.t (id INT)")
	w.one(0, 2, 1)
	w.one(7, 1, 2)
	w.mariaGTID(0, 3, 0)
	w.unplaced(func() { w.tableMap("shop", "t"); w.insert("t", 10, 3) })
	w.query("COMMIT")
	w.event(eventAnnotateRows, []byte("between"))
	w.event(eventBinlogCheckpoint, make([]byte, 17))
	w.event(eventGTIDList, make([]byte, 4))
	w.one(0, 4, 4)
	ids, at, txns, err := playMaria(t, w.out, fromNothing())
	if err != nil || !slices.Equal(ids, span(1, 4)) {
		t.Fatalf("%v %v", ids, err)
	}
	if want := []string{"0-77-2", "7-77-1", "0-77-3", "0-77-4"}; !slices.Equal(txns, want) {
		t.Errorf("%q, want %q", txns, want)
	}
	last := at[len(at)-1]
	if last.gtids.String() != "0-77-4,7-77-1" || last.pos != uint64(w.pos) || last.resume != nil {
		t.Errorf("%s, the log has %d bytes", last.text(), w.pos)
	}
}

// A prepared transaction keeps reading behind the position, in all domains alike, and what comes again is passed over.
func TestMariaPrepared(t *testing.T) {
	xid := []byte{1, 0, 0, 0, 1, 0, 'x'}
	w := newLog()
	w.one(0, 1, 1)
	w.mariaGTID(7, 1, mariaPreparedXA, append(xid, 0)...)
	w.unplaced(func() { w.tableMap("shop", "t"); w.insert("t", 10, 100); w.query("XA END X'78',X'',1") })
	w.event(eventXAPrepare, []byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'})
	w.one(0, 2, 2)
	w.one(7, 2, 3)
	middle := len(w.out)
	w.one(7, 3, 4)
	w.mariaGTID(7, 4, mariaStandalone|mariaCompletedXA, append(xid, 0)...)
	w.query("XA COMMIT X'78',X'',1")
	w.one(0, 3, 5)
	ids, at, _, err := playMaria(t, w.out[:middle], fromNothing())
	if err != nil || !slices.Equal(ids, span(1, 3)) {
		t.Fatalf("%v %v", ids, err)
	}
	p := at[len(at)-1]
	if p.gtids.String() != "0-77-2,7-77-2" || p.resume == nil || p.resume.gtids.String() != "0-77-1" {
		t.Fatalf("%s", p.text())
	}
	if got := mariaSession(1, p); !strings.HasSuffix(got, "@slave_connect_state='0-77-1'") {
		t.Error(got)
	}
	// The server sends what came behind resume, which is all but the first transaction. Packets are numbered anew.
	again := newLog()
	head := len(again.out)
	again.one(0, 1, 1)
	replay := slices.Concat(w.out[:head], w.out[len(again.out):])
	for i, p := 1, replay; len(p) > 0; i++ {
		p[3] = uint8(i)
		p = p[4+(int(p[0])|int(p[1])<<8|int(p[2])<<16):]
	}
	ids, at, _, err = playMaria(t, replay, p)
	if err != nil || !slices.Equal(ids, []int64{4, 100, 5}) {
		t.Fatalf("%v %v", ids, err)
	}
	if p := at[len(at)-1]; p.gtids.String() != "0-77-3,7-77-4" || p.resume != nil {
		t.Errorf("%s", p.text())
	}
}

// An ALTER TABLE that begins, or fails, changes nothing.
func TestMariaAlterInTwoPhases(t *testing.T) {
	w := newLog()
	w.one(0, 1, 1)
	w.mariaGTID(0, 2, mariaStandalone, mariaStartAlter)
	w.query("ALTER TABLE t DROP PARTITION p")
	w.one(0, 3, 2)
	w.mariaGTID(0, 4, mariaStandalone, mariaRollbackAlter, 2, 0, 0, 0, 0, 0, 0, 0)
	w.query("ALTER TABLE t DROP PARTITION p")
	w.one(0, 5, 3)
	if ids, _, _, err := playMaria(t, w.out, fromNothing()); err != nil || !slices.Equal(ids, span(1, 3)) {
		t.Fatalf("%v %v", ids, err)
	}
	w.mariaGTID(0, 6, mariaStandalone, mariaCommitAlter, 2, 0, 0, 0, 0, 0, 0, 0)
	w.query("ALTER TABLE t DROP PARTITION p")
	if _, _, _, err := playMaria(t, w.out, fromNothing()); !fault.Is(err, fault.Diverged) {
		t.Fatal(err)
	}
}

// A file that ends within a transaction ends the attempt, after what stands before it is durable.
func TestMariaCutOff(t *testing.T) {
	w := newLog()
	w.one(0, 1, 1)
	w.mariaGTID(0, 2, 0)
	w.unplaced(func() { w.tableMap("shop", "t"); w.insert("t", 10, 2) })
	w.rotateTo("binlog.000002")
	w.one(0, 2, 3)
	ids, at, _, err := playMaria(t, w.out, fromNothing())
	if !fault.Is(err, fault.Source) || fault.IsFinal(err) || !slices.Equal(ids, span(1, 1)) {
		t.Fatalf("%v %v", ids, err)
	}
	if p := at[len(at)-1]; p.gtids.String() != "0-77-1" {
		t.Errorf("%s", p.text())
	}
}
