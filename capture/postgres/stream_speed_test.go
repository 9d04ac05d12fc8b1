package postgres

import (
	"context"
	"testing"
)

func TestSteadyStateAllocatesNothingPerRow(t *testing.T) {
	const n = 20000
	log := oneRowTransactions(n).out
	allocs := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			streamAll(b, log)
		}
	}).AllocsPerOp()
	t.Logf("%.4f allocations a transaction", float64(allocs)/n)
	if allocs > n/20 {
		t.Errorf("%d allocations for %d transactions", allocs, n)
	}
}

func streamAll(tb testing.TB, log []byte) {
	s, out, _ := memStream(tb, &memConn{data: log}, nil, 256<<10)
	done := make(chan int)
	go func() {
		n := 0
		for b := range out {
			n += len(b.Changes)
			b.Release()
		}
		done <- n
	}()
	_ = s.run(context.Background())
	close(out)
	s.close()
	if n := <-done; n == 0 {
		tb.Fatal("no rows")
	}
}

func BenchmarkOneRowTransactions(b *testing.B) {
	const n = 50000
	log := oneRowTransactions(n).out
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		streamAll(b, log)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "txn/s")
}

// largeTransactions is a log of n rows, a thousand in a transaction.
func largeTransactions(n int64) []byte {
	w := newLog()
	for i := range n {
		if i%1000 == 0 {
			w.begin()
			if i == 0 {
				w.relation(ordersOID, "public", "orders")
			}
		}
		w.insert(ordersOID, 40, i)
		if i%1000 == 999 {
			w.end()
		}
	}
	return w.out
}

func BenchmarkLargeTransactions(b *testing.B) {
	const n = 100_000
	log := largeTransactions(n)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		streamAll(b, log)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
