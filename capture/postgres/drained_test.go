package postgres

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
)

// TestDrained: what has been read goes out at once when the server says that it has nothing more, a little later when it says
// nothing, and together with what comes behind it in a backlog.
func TestDrained(t *testing.T) {
	const ms = time.Millisecond
	type handed struct {
		at      time.Duration
		txns    int
		drained bool
	}
	one := func(w *walLog) []byte {
		from := len(w.out)
		w.begin()
		if from == 0 {
			w.relation(ordersOID, "public", "orders")
		}
		w.insert(ordersOID, 40, 1)
		w.end()
		return w.out[from:]
	}
	end := keepaliveFrame(0, 0)
	for name, c := range map[string]struct {
		pieces func(w *walLog) []piece
		want   []handed
	}{
		"told":      {func(w *walLog) []piece { return []piece{{10 * ms, append(one(w), end...)}} }, []handed{{10 * ms, 1, true}}},
		"told late": {func(w *walLog) []piece { return []piece{{10 * ms, one(w)}, {5 * ms, end}} }, []handed{{15 * ms, 1, true}}},
		"silence":   {func(w *walLog) []piece { return []piece{{10 * ms, one(w)}} }, []handed{{30 * ms, 1, true}}},
		"backlog": {func(w *walLog) (p []piece) {
			for range 10 {
				p = append(p, piece{5 * ms, one(w)})
			}
			return append(p, piece{ms, end})
		}, []handed{{25 * ms, 5, false}, {50 * ms, 5, false}, {51 * ms, 0, true}}},
		"parts": {func(w *walLog) []piece {
			w.begin()
			w.relation(ordersOID, "public", "orders")
			w.insert(ordersOID, minBatchBytes, 1)
			w.end()
			return []piece{{10 * ms, append(w.out, end...)}}
		}, []handed{{10 * ms, 1, false}, {10 * ms, 1, false}, {10 * ms, 0, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLog()
				w.gap = 1 << 10
				wire := &slowConn{pieces: c.pieces(w)}
				var got []handed
				err := slowStream(t, wire, 500*ms, func(_ *stream, out <-chan *changelog.Batch) {
					for b := range out {
						got = append(got, handed{time.Since(wire.begin), len(b.Txns), b.Drained})
						b.Release()
					}
				})
				if !errors.Is(err, context.Canceled) || len(got) != len(c.want) {
					t.Fatalf("%v, %+v", err, got)
				}
				for i, want := range c.want {
					if late := got[i].at - want.at; late < 0 || late > 2*ms || got[i].txns != want.txns || got[i].drained != want.drained {
						t.Errorf("batch %d: %+v, want %+v", i, got[i], want)
					}
				}
			})
		})
	}
}
