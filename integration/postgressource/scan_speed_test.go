package postgressource

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
)

// BenchmarkScan reads a table of ten columns through one Reader, in chunks of the default size.
func BenchmarkScan(b *testing.B) {
	bench := newBench(b, servers.PostgresOptions{Settings: map[string]string{"shared_buffers": "512MB", "autovacuum": "off"}})
	const rows = 1_000_000
	bench.exec("CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, status text, amount numeric(12,2), currency char(3), quantity int, created timestamptz, updated timestamp, paid boolean, note varchar(200))",
		"INSERT INTO orders SELECT i, i % 10007, 'open', i * 1.25 % 100000, 'EUR', i % 7, now(), now(), i % 3 = 0, 'note ' || i FROM generate_series(1, 1000000) i", "VACUUM ANALYZE orders")
	s := startScanning(b, bench.config(), "")
	r := s.reader()
	table := s.table("public.orders")
	read := func() (chunks int) {
		total := 0
		for c := (capture.Chunk{Table: table, Bytes: 4 << 20, Time: 200 * time.Millisecond, Seen: s.position()}); ; {
			batch := changelog.NewBatch()
			got, err := r.Scan(context.Background(), c, batch)
			if err != nil {
				b.Fatal(err)
			}
			batch.Release()
			total += got.Rows
			chunks++
			if c.After = got.Last; got.Done {
				break
			}
		}
		if total != rows {
			b.Fatalf("%d rows", total)
		}
		return chunks
	}
	read()
	began := time.Now()
	bench.exec("COPY orders TO '/dev/null'")
	copied := time.Since(began)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processor()
	b.ResetTimer()
	chunks := 0
	for b.Loop() {
		chunks += read()
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	n := float64(b.N) * rows
	b.ReportMetric(n/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(rows/copied.Seconds(), "COPY-rows/s")
	b.ReportMetric(float64((processor()-cpu).Nanoseconds())/n, "cpu-ns/row")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/row")
	b.ReportMetric(float64(chunks)/float64(b.N), "chunks/op")
}

// processor is the time that this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
