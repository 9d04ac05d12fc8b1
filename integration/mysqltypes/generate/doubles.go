package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// doubles writes lines "bits in hex, text in JSON" for doubles of every size: the formatting rule is the server's own.
func doubles(ctx context.Context, out, server string) error {
	db, conn, err := open(ctx, server)
	if err != nil {
		return err
	}
	defer db.Close()
	var lines bytes.Buffer
	for _, d := range sampleDoubles() {
		var text string
		// A bound parameter keeps the bits; the server's literals of many digits are off by one here and there.
		if err := conn.QueryRowContext(ctx, "SELECT CAST(JSON_ARRAY(?) AS CHAR)", d).Scan(&text); err != nil {
			return fmt.Errorf("asking for %v: %w", d, err)
		}
		fmt.Fprintf(&lines, "%016x %s\n", math.Float64bits(d), text[1:len(text)-1])
	}
	return os.WriteFile(filepath.Join(out, "testdata", "doubles.txt"), lines.Bytes(), 0o644)
}

func sampleDoubles() []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	out := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 2.5, 1e20, math.MaxFloat64, math.SmallestNonzeroFloat64, 2.2250738585072014e-308, 1 << 53, 1<<63 - 1024}
	for e := -25; e <= 25; e++ {
		p := math.Pow10(e)
		out = append(out, p, -p, 1.5*p, p/3, math.Nextafter(p, 0), 1.234567890123456*p, 9.87654321*p)
	}
	for range 600 {
		if d := math.Float64frombits(r.Uint64()); !math.IsNaN(d) && !math.IsInf(d, 0) {
			out = append(out, d)
		}
		out = append(out, math.Round(r.Float64()*1e6)/math.Pow10(r.IntN(7)), (r.Float64()-0.5)*math.Pow10(r.IntN(40)-20))
	}
	return out
}
