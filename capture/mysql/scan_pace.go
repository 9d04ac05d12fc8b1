package mysql

import (
	"time"

	"cdcbridge/capture"
)

// pace chooses how many rows of a table to ask for, so that a read takes about the time and a chunk has about the size that
// were asked for.
type pace struct {
	rows    int     // that were asked for last
	perRow  float64 // nanoseconds
	perByte float64 // bytes of the batch a row
}

const (
	firstRows = 100  // of a table of which nothing is known
	knownRows = 2000 // of a table whose rows have a known size
	mostRows  = 1 << 20
	// growth is how much more may be asked for than last time: what was learnt of few rows is not much.
	growth = 8
)

func (p *pace) next(c capture.Chunk) int {
	if p.rows == 0 {
		p.rows = firstRows
		if c.Table.Rows > 0 && c.Table.Bytes > 0 {
			p.rows = int(min(knownRows, int64(c.Bytes)*c.Table.Rows/c.Table.Bytes))
		}
	} else {
		byTime := float64(c.Time) / p.perRow
		bySize := 1 + 1.02*float64(c.Bytes)/p.perByte // a little more, since the batch stops at its size and what is too much is dropped
		p.rows = int(min(byTime, bySize, growth*float64(p.rows), mostRows))
	}
	p.rows = max(p.rows, 1)
	return p.rows
}

// learn is told what the read took, of how many rows the server looked at, and what those that were taken came to.
func (p *pace) learn(looked int, took time.Duration, taken, size int) {
	if looked > 0 {
		p.perRow = mix(p.perRow, max(float64(took)/float64(looked), 1))
	}
	if taken > 0 {
		p.perByte = mix(p.perByte, max(float64(size)/float64(taken), 1))
	}
}

// mix believes what is new more than what was before.
func mix(old, now float64) float64 {
	if old == 0 {
		return now
	}
	return 0.3*old + 0.7*now
}

// soon is the deadline of a goodbye.
func soon() time.Time { return time.Now().Add(time.Second) }
