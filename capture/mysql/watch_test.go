package mysql

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func watermarks(b *changelog.Batch) (texts []string) {
	for _, n := range b.Notes {
		if n.Kind == changelog.Watermark {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// TestWatch asks for places before, between and beyond transactions: each comes with the first batch that ends at or after it,
// when everything up to it has been given away, and never earlier.
func TestWatch(t *testing.T) {
	w := newLog()
	var ends []uint64
	for i := range 20 {
		w.begin()
		w.tableMap("shop", "t")
		w.insert("t", 40, int64(i))
		w.xid()
		ends = append(ends, uint64(w.pos))
	}
	for name, c := range map[string]struct {
		at   uint64
		rows int // given away when the note comes
	}{
		"before all":         {0, 0},
		"the start":          {4, 0},
		"first end":          {ends[0], 1},
		"within the second":  {ends[0] + 1, 2},
		"before the 7th end": {ends[6] - 1, 7},
		"the last end":       {ends[19], 20},
		"beyond":             {ends[19] + 1, -1},
	} {
		s, out := memStream(t, w.out, nil, 1<<20, 0)
		place := logPlace{"binlog.000001", c.at}.place()
		s.src.Watch(place)
		go func() { _ = s.run(context.Background()); close(out) }()
		rows, got := 0, -1
		for b := range out {
			rows += len(b.Changes)
			if texts := watermarks(b); len(texts) > 0 {
				if got >= 0 || !slices.Equal(texts, []string{string(place)}) || b.InTxn() || b.Next.Pos == "" {
					t.Errorf("%s: %q after %d rows, again after %d", name, texts, got, rows)
				}
				got = rows
			}
		}
		s.close()
		if got != c.rows || rows != 20 {
			t.Errorf("%s: the note came after %d of %d rows, want %d", name, got, rows, c.rows)
		}
	}
}

// TestWatchHeartbeat: a heartbeat tells more than the last event, and what it tells is no position to resume from.
func TestWatchHeartbeat(t *testing.T) {
	for _, typ := range []eventType{eventHeartbeat, eventHeartbeatV2} {
		w := newLog()
		const at = 123_456
		w.pos = at
		if typ == eventHeartbeat {
			w.packet(w.raw(typ, []byte("binlog.000001"), at, 0))
		} else {
			w.packet(w.raw(typ, append([]byte{1, 13}, "binlog.000001\x02\x03\xfc\x40\xe2\x00"...), 0, 0))
		}
		s, out := memStream(t, w.out, nil, 1<<20, 0)
		place := logPlace{"binlog.000001", 50_000}.place()
		s.src.Watch(place)
		s.src.Watch("binlog.000002:4")
		go func() { _ = s.run(context.Background()); close(out) }()
		var texts []string
		for b := range out {
			texts = append(texts, watermarks(b)...)
			if p, err := parsePosition(b.Next.Pos); err != nil || p.pos >= 50_000 {
				t.Errorf("the position is %s, %v", b.Next.Pos, err)
			}
		}
		if !slices.Equal(texts, []string{string(place)}) {
			t.Errorf("type %d: %q", typ, texts)
		}
		s.close()
		if s.src.watches.any.Load() {
			t.Error("an ended stream remembers what it was asked")
		}
	}
}

// TestWatchWakes watches places while the stream waits for a silent server: the answer comes at once, and no event is lost
// over it.
func TestWatchWakes(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	raw, err := newPollConn(client)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()

	s, out := memStream(t, nil, nil, 1<<20, 0)
	s.cfg.HeartbeatInterval = time.Hour
	s.r.wire, s.r.raw, s.r.patience = raw, raw, time.Hour
	ended := make(chan error, 1)
	go func() { ended <- s.run(context.Background()) }()
	w := newLog()
	send := func(p []byte) {
		if _, err := server.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	send(w.out)
	var slowest time.Duration
	rows := int64(0)
	for i := range int64(300) {
		w.out = w.out[:0]
		w.begin()
		w.tableMap("shop", "t")
		w.insert("t", 40, i)
		w.xid()
		place := logPlace{"binlog.000001", uint64(w.pos)}.place()
		cut := len(w.out) * int(i%7) / 6
		send(w.out[:cut]) // the wait for the rest is within an event, which must not be ended
		if i%3 == 0 {
			time.Sleep(time.Millisecond)
		}
		s.src.Watch(place)
		send(w.out[cut:])
		began := time.Now()
		for seen := false; !seen; {
			select {
			case b := <-out:
				for _, c := range b.Changes {
					if c.After[0].Int() != rows {
						t.Fatalf("row %d came after %d", c.After[0].Int(), rows)
					}
					rows++
				}
				seen = slices.Contains(watermarks(b), string(place))
				b.Release()
			case err := <-ended:
				t.Fatal(err)
			case <-time.After(10 * time.Second):
				t.Fatalf("no answer to %s after %d rows", place, rows)
			}
		}
		slowest = max(slowest, time.Since(began))
		if rows != i+1 {
			t.Fatalf("%s was answered after %d rows", place, rows)
		}
		s.src.Watch("binlog.000001:4") // passed, and nothing comes any more
		if b := <-out; !slices.Equal(watermarks(b), []string{"binlog.000001:4"}) || len(b.Changes) > 0 {
			t.Fatalf("%q", watermarks(b))
		}
	}
	if slowest > 2*time.Second {
		t.Errorf("the slowest answer took %v", slowest)
	}
	_ = server.Close()
	if err := <-ended; !fault.Is(err, fault.Unreachable) {
		t.Error(err)
	}
}

func TestPlaces(t *testing.T) {
	for _, l := range []logPlace{{"binlog.000001", 4}, {"a:b.000002", math.MaxUint64}} {
		if got, err := parsePlace(l.place()); err != nil || got != l {
			t.Errorf("%s: %+v, %v", l.place(), got, err)
		}
	}
	for _, p := range []capture.Place{"", "binlog.000001", "binlog.000001:", ":4", "binlog.000001:-1", "binlog.000001:18446744073709551616"} {
		if got, err := parsePlace(p); err == nil {
			t.Errorf("%q is %+v", p, got)
		}
	}
	sorted := []logPlace{{"binlog.000009", 5}, {"binlog.000010", 4}, {"binlog.000010", 5}, {"binlog.999999", 1 << 40}, {"binlog.1000000", 4}}
	for i, a := range sorted {
		for j, b := range sorted {
			if a.before(b) != (i < j) {
				t.Errorf("%v before %v: %v", a, b, a.before(b))
			}
		}
	}
	s, out := memStream(t, newLog().out, nil, 1<<20, 0)
	defer s.close()
	s.src.Watch("nonsense")
	go func() {
		for b := range out {
			b.Release()
		}
	}()
	if err := s.run(context.Background()); !fault.Is(err, fault.Internal) || !strings.Contains(errors.Unwrap(err).Error(), "nonsense") {
		t.Error(err)
	}
	close(out)
}
