package postgres

import (
	"context"
	"encoding/binary"
	"strconv"
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

func benchmarkStream(b *testing.B, log []byte) {
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		streamAll(b, log)
	}
}

func BenchmarkOneRowTransactions(b *testing.B) {
	const n = 50000
	log := oneRowTransactions(n).out
	benchmarkStream(b, log)
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
	benchmarkStream(b, log)
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// orderTransactions is a log of n rows of twelve columns, two hundred in a transaction.
func orderTransactions(n int64) []byte {
	w := newLog()
	for i := range n {
		if i%200 == 0 {
			w.begin()
			if i == 0 {
				w.frame(orderRelation())
			}
		}
		w.frame(rowMessage('I', ordersOID, 'N', tuple(strconv.FormatInt(i, 10), "107919", "4001", "shipped", "EUR", "please leave the parcel of order 4711 at the door of the neighbour, thank you",
			"eu-central-1", "1234.56", "7", "2024-05-06 07:08:09.123", "2024-05-06 09:08:10.456+00", "3")))
		if i%200 == 199 {
			w.end()
		}
	}
	return w.out
}

func orderRelation() []byte {
	b := append(binary.BigEndian.AppendUint32([]byte{'R'}, ordersOID), "public\x00orders\x00d\x00\x0c"...)
	for i, c := range []struct {
		typ      uint32
		modifier int
	}{{oidInt8, -1}, {oidInt8, -1}, {oidInt8, -1}, {oidVarchar, 20}, {oidVarchar, 7}, {oidVarchar, 259}, {oidVarchar, 36}, {oidNumeric, numericModifier(10, 2)}, {oidInt4, -1}, {oidTimestamp, 3}, {oidTimestampTZ, 3}, {oidInt2, -1}} {
		flag := byte(0)
		if i == 0 {
			flag = 1
		}
		b = append(b, flag, 'c', 'a'+byte(i), 0)
		b = binary.BigEndian.AppendUint32(b, c.typ)
		b = binary.BigEndian.AppendUint32(b, uint32(int32(c.modifier)))
	}
	return b
}

func BenchmarkOrders(b *testing.B) {
	const n = 50_000
	log := orderTransactions(n)
	benchmarkStream(b, log)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/row")
}
