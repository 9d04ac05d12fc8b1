package mysql

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"cdcbridge/internal/fault"
)

// damagedLog has an event of each kind that matters, before and after a rotation.
func damagedLog() []byte {
	w := newLog()
	for i := range int64(2) {
		w.begin()
		w.tableMap("shop", "a")
		w.tableMap("shop", "not")
		w.insert("a", 30, 10*i, 10*i+1)
		w.insert("not", 30, 5)
		w.query("SAVEPOINT s")
		w.xid()
		w.gtid()
		w.query("CREATE TABLE x.other (a INT)")
	}
	var inner bytes.Buffer
	h := newLog()
	h.nosum = true
	h.out = nil
	h.query("BEGIN")
	h.tableMap("shop", "a")
	h.insert("a", 30, 30, 31)
	h.xid()
	for p := h.out; len(p) > 0; {
		n := 4 + (int(p[0]) | int(p[1])<<8 | int(p[2])<<16)
		inner.Write(p[5:n])
		p = p[n:]
	}
	w.gtid()
	body := []byte{payloadCompression, 3, 252, 255, 0, payloadUncompressed, 3, 252, byte(inner.Len()), byte(inner.Len() >> 8), payloadSize, 3, 252, byte(inner.Len()), byte(inner.Len() >> 8), payloadEnd}
	w.event(eventTransactionPayload, append(body, inner.Bytes()...))
	w.event(eventRotate, append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, "binlog.000002"...))
	w.pos = 4
	w.format()
	w.begin()
	w.tableMap("shop", "b")
	w.insert("b", 30, 99)
	w.xid()
	return w.out
}

// TestDamageIsWorthAnotherAttempt flips two bits of each byte of a stream, one at a time. What arrives before it is right, what is damaged never arrives,
// and the error is one that another attempt may cure: the bytes on the server may be good.
func TestDamageIsWorthAnotherAttempt(t *testing.T) {
	log := damagedLog()
	for name, from := range map[string]*position{"by GTID": nil, "by file": {server: uuidB, file: "binlog.000001", pos: 4}} {
		start := func() *position {
			if from == nil {
				return nil
			}
			p := *from
			return &p
		}
		batches, err := play(t, log, start(), 1<<20, 0)
		want := ids(batches)
		if err != nil || !slices.Equal(want, []int64{0, 1, 10, 11, 30, 31, 99}) {
			t.Fatalf("%s: the whole log: %v %v", name, err, want)
		}
		final := map[string]int{}
		for i := range 2 * len(log) {
			at, bit := i/2, (i/2+3*(i%2))%8
			damaged := bytes.Clone(log)
			damaged[at] ^= 1 << bit
			batches, err := play(t, damaged, start(), 1<<20, 0)
			if got := ids(batches); len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
				t.Fatalf("%s: bit %d of byte %d: rows %v", name, bit, at, got)
			}
			if err == nil && len(ids(batches)) == len(want) {
				t.Errorf("%s: bit %d of byte %d: nothing was noticed", name, bit, at)
			}
			if fault.IsFinal(err) {
				final[fmt.Sprintf("%s: byte %d: %v", name, at, err)]++
			}
			for _, b := range batches {
				b.Release()
			}
		}
		for what, n := range final {
			t.Errorf("%d times final: %s", n, what)
		}
	}
}

// TestSkippedGigabytes has the server leave out more of a file than 32 bits can count. Its heartbeat says how far it is.
func TestSkippedGigabytes(t *testing.T) {
	w := newLog()
	w.begin()
	w.tableMap("shop", "a")
	w.insert("a", 30, 1)
	w.xid()
	const at = uint64(9)<<32 + 1000
	beat := append([]byte{1, 13}, "binlog.000001"...)
	beat = append(beat, 2, 9, 254)
	beat = append(binary.LittleEndian.AppendUint64(beat, at), 0)
	w.packet(w.raw(eventHeartbeatV2, beat, 0, 0))
	w.pos = uint32(at & 0xffffffff)
	w.begin()
	w.tableMap("shop", "a")
	w.insert("a", 30, 2)
	w.xid()
	batches, err := play(t, w.out, nil, 1<<20, 0)
	if err != nil || !slices.Equal(ids(batches), []int64{1, 2}) {
		t.Fatal(err, ids(batches))
	}
	b := batches[len(batches)-1]
	if o := b.Txns[len(b.Txns)-1].Origin; o.Pos != at {
		t.Errorf("the transaction is at %d, want %d", o.Pos, at)
	}
	if p, err := parsePosition(b.Next.Pos); err != nil || p.pos>>32 != 9 {
		t.Errorf("%s: %v", b.Next.Pos, err)
	}
}
