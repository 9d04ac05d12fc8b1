package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNumbersAreReadable(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1 000", 1234567.4: "1 234 567"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%v) is %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.123: "0.12", 9.99: "9.99", 12.34: "12.3", 123.4: "123"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %q, want %q", v, got, want)
		}
	}
}

func TestReportShowsTheMedianRun(t *testing.T) {
	r := &report{}
	for _, seconds := range []float64{4, 1, 2} {
		r.drain("drain", "debezium-json", sample{Rows: 1000, Seconds: seconds, SteadySeconds: seconds / 2, SteadyRows: 600, Commits: int64(10 * seconds), Bytes: 5e6, CPUSeconds: seconds / 1000, Mallocs: 250, PeakMemory: int64(seconds) << 20})
	}
	r.ceiling("drain", "raw binlog dump", ceiling{Rows: 1000, Events: 20, Bytes: 3e6, Seconds: 0.5})
	r.drain("drain", rivalLabel, sample{Rows: 1000, Seconds: 10, CPUSeconds: 0.05, PeakMemory: 3 << 20})
	r.latency("mysql", 500, latencies{Rate: 499.6, Count: 1, P50: 1.234, P99: 20, Max: 30})
	r.Micro = parseMicro("pkg: cdcbridge/formats/canal\nBenchmarkOrders/insert-2 \t 100\t 512.5 ns/op\t 0 B/op\t 0 allocs/op\nBenchmarkOrders/insert-2 \t 100\t 498 ns/op\t 0 B/op\t 1 allocs/op\npkg: cdcbridge/capture/mysql\nBenchmarkRows-2 10 6000 ns/op 1.5 MB/s 100 ns/row 0 B/op 3 allocs/op\nBenchmarkTxns-2 10 2000000 ns/op 1000000 txn/s 0 B/op 20 allocs/op\nPASS\n")
	var b bytes.Buffer
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"| drain | debezium-json | 500 (250–1 000) | 600 | 2.00 | 0.25 | 4 | 20 | 50, 0.25 |",
		"| drain | raw binlog dump | 2 000 |", "6 MB/s, 50.0 rows an event",
		"| drain | Debezium, exactly-once | 100 | | 50.0 | | 3 | | |",
		"| mysql | 500 | 1.23 | 20.0 | 30.0 |",
		"| formats/canal Orders/insert | 498 | 1.00 |", "| capture/mysql Rows | 100 | 0.05 |", "| capture/mysql Txns | 1000 | 0.01 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}

// TestGrowthIsDrawn: every figure is an SVG that an XML parser reads, with a dot for each size; what was not measured is not drawn.
func TestGrowthIsDrawn(t *testing.T) {
	dir := t.TempDir()
	points := []point{{Of: "rows", Size: 10_000, Micros: 2.5, PeakMemory: 30 << 20}, {Of: "rows", Size: 1_000_000, Micros: 2.25, PeakMemory: 41 << 20}, {Of: "tables", Size: 1, Micros: 3, PeakMemory: 1 << 20}}
	if err := drawGrowth(dir, points); err != nil {
		t.Fatal(err)
	}
	for of, dots := range map[string]int{"rows": 4, "tables": 2} {
		text, err := os.ReadFile(filepath.Join(dir, "growth-"+of+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "<circle"); n != dots || strings.Contains(string(text), "NaN") {
			t.Errorf("%s: %d dots, want %d:\n%s", of, n, dots, text)
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", of, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "growth-pipelines.svg")); !os.IsNotExist(err) {
		t.Errorf("pipelines were not measured: %v", err)
	}
	for v, want := range map[float64]float64{0: 1, 0.3: 0.4, 1: 1, 2.5: 4, 41: 50, 81: 100} {
		if got := roundUp(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("roundUp(%v) is %v, want %v", v, got, want)
		}
	}
	r := report{Growth: points}
	var b bytes.Buffer
	if err := r.print(&b); err != nil || !strings.Contains(strings.Join(strings.Fields(b.String()), " "), "| rows | 1 000 000 | 0 | 2.25 | 41 |") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestParseRefuses(t *testing.T) {
	for _, args := range [][]string{{"-only", "drain,drian"}, {"-rows", "5"}, {"-runs", "0"}, {"extra"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
	if o, err := parse([]string{"-only", "drain,micro", "-rows", "10000"}); err != nil || len(o.only) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
}
