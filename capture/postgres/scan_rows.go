package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// Rows are fetched from a cursor of the server in so many at a time as are likely to fill the chunk. pgconn gives them one by one
// as they come, so no more than one is in memory beside the batch.

const (
	firstFetch = 200     // rows, when nothing is known of them
	mostFetch  = 50_000  // rows
	anyBytes   = 4 << 20 // of a chunk that does not say
	anyTime    = time.Minute
)

// pace is what a Reader has learnt of a table's rows: how much memory and time one takes.
type pace struct {
	bytes float64
	nanos float64
}

// chunkRead is a chunk being read.
type chunkRead struct {
	conn   *conn
	table  *scanTable
	chunk  capture.Chunk
	batch  *changelog.Batch
	end    uint64 // LSN of the moment
	began  time.Time
	before int // size of the batch before the first row
	from   int // its changes before that

	filtered bool     // before the columns is whether the row is wanted
	texts    [][]byte // of the current row
	last     [][]byte // of the key of the last row
	scratch  []byte   // where they are, of a row that is not wanted
	scanned  int      // rows that came, wanted or not
	full     bool     // the batch is much too large already
	dropped  bool     // and rows came that are not in it
	done     bool     // no row is left
	sure     bool     // done is certain, whatever it says
}

// read reads rows into the batch until the chunk is full or the table's end is reached.
func (r *chunkRead) read(ctx context.Context, sql string, q *condition, p *pace) error {
	r.last = make([][]byte, len(r.table.key))
	r.texts = make([][]byte, len(r.table.shape.columns))
	open := func(n int) *pgconn.MultiResultReader {
		var batch pgconn.Batch
		if len(r.table.key) == 0 {
			batch.ExecParams("SET LOCAL enable_seqscan = on", nil, nil, nil, nil)
		}
		batch.ExecParams("DECLARE chunk NO SCROLL CURSOR FOR "+sql, q.values, q.types, nil, nil)
		batch.ExecParams(fmt.Sprintf("FETCH %d FROM chunk", n), nil, nil, nil, nil)
		return r.conn.pg.ExecBatch(ctx, &batch)
	}
	for {
		n := r.fetchSize(p)
		got, began := 0, time.Now()
		size := r.batch.Size()
		results := open(n)
		for results.NextResult() {
			rows := results.ResultReader()
			for rows.NextRow() {
				if got++; r.full {
					r.dropped = true
				} else if err := r.row(rows.Values()); err != nil {
					return errors.Join(err, results.Close())
				}
			}
		}
		if err := results.Close(); err != nil {
			return err
		}
		r.done = got < n && !r.dropped
		r.sure = r.done || r.dropped
		p.learn(got, r.batch.Size()-size, time.Since(began))
		if r.sure || r.full || r.batch.Size()-r.before >= r.bytes() || time.Since(r.began) >= r.time() {
			return nil
		}
		open = func(n int) *pgconn.MultiResultReader {
			return r.conn.pg.Exec(ctx, fmt.Sprintf("FETCH %d FROM chunk", n))
		}
	}
}

// row takes a row. When the batch is much too large already, this is the last one, whatever was fetched.
func (r *chunkRead) row(values [][]byte) error {
	r.scanned++
	if r.filtered {
		wanted := string(values[0]) == "t"
		values = values[1:]
		if !wanted {
			r.scratch = r.scratch[:0]
			for i := range r.table.key {
				r.scratch = append(r.scratch, values[r.table.key[i].index]...)
			}
			from := 0
			for i := range r.table.key {
				to := from + len(values[r.table.key[i].index])
				r.last[i], from = r.scratch[from:to], to
			}
			return nil
		}
	}
	b := r.batch
	row, err := r.table.shape.readRow(b, values, r.texts)
	if err != nil {
		return err
	}
	for i := range r.table.key {
		r.last[i] = r.texts[r.table.key[i].index]
	}
	n := uint64(len(b.Changes) - r.from)
	b.Changes = append(b.Changes, changelog.Change{Op: changelog.Read, Index: n, TableIndex: n, Pos: r.end, After: row})
	r.full = r.batch.Size()-r.before >= r.bytes()/2*3
	return nil
}

// readRow decodes a row that was read. texts, which has room for the columns, gets their texts in the batch's memory.
func (s *shape) readRow(b *changelog.Batch, values, texts [][]byte) (changelog.Row, error) {
	if len(values) != len(s.columns) {
		return nil, s.mismatch("a row has %d columns, the table has %d", len(values), len(s.columns))
	}
	size := 0
	for _, v := range values {
		size += len(v)
	}
	memory, row := b.Grab(size), b.NewRow(len(values))
	for i, v := range values {
		if v == nil {
			texts[i] = nil
			continue
		}
		text := memory[:len(v):len(v)]
		memory = memory[len(v):]
		copy(text, v)
		texts[i] = text
		c := &s.columns[i]
		if err := c.decode(c, text, &row[i], b); err != nil {
			return nil, s.valueFault(i, err)
		}
	}
	return row, nil
}

// fetchSize is how many rows are likely to fill the chunk.
func (r *chunkRead) fetchSize(p *pace) int {
	if p.bytes == 0 {
		return firstFetch
	}
	n := min(float64(r.bytes()-(r.batch.Size()-r.before))/p.bytes, mostFetch)
	if p.nanos > 0 {
		n = min(n, float64(r.time()-time.Since(r.began))/p.nanos)
	}
	return max(int(n), 1)
}

// learn takes a fetch in. Small ones say little.
func (p *pace) learn(rows, bytes int, took time.Duration) {
	if rows == 0 {
		return
	}
	weight := 1.0
	if p.bytes > 0 {
		weight = min(0.5, float64(rows)/1000)
	}
	p.bytes += (max(float64(bytes)/float64(rows), 1) - p.bytes) * weight
	p.nanos += (float64(took)/float64(rows) - p.nanos) * weight
}

func (r *chunkRead) bytes() int {
	if r.chunk.Bytes <= 0 {
		return anyBytes
	}
	return r.chunk.Bytes
}

// time is when a read stops between two fetches. One of a whole table does not: it ends, or takes too long.
func (r *chunkRead) time() time.Duration {
	switch {
	case len(r.table.key) == 0:
		return time.Hour
	case r.chunk.Time <= 0:
		return anyTime
	}
	return r.chunk.Time
}

// finish ends the transaction. It asks whether a row is left when that is not known, and reports that the log is durable and that
// the table has the partitions that it had.
func (r *chunkRead) finish(ctx context.Context, m moment, name string) (again string, err error) {
	sql := "COMMIT; SELECT pg_current_wal_flush_lsn()"
	if r.table.kind == 'p' {
		sql += ", " + partsSQL(name)
	}
	if !r.sure {
		sql = "MOVE 1 FROM chunk; " + sql
	}
	res, err := r.conn.pg.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	if !r.sure {
		r.done = res[0].CommandTag.RowsAffected() == 0
	}
	facts := res[len(res)-1].Rows
	if len(facts) != 1 {
		return "", errors.New("the server does not say how far its log is durable")
	}
	if r.table.kind == 'p' && string(facts[0][1]) != r.table.parts {
		return "its partitions have changed", nil
	}
	flushed, err := parseLSN(string(facts[0][0]))
	if err != nil || flushed >= m.end {
		return "", err
	}
	durable, err := r.conn.flushUpTo(ctx, m.end)
	if err == nil && !durable {
		again = "the server's log is not durable yet"
	}
	return again, err
}
