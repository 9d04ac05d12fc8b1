package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// read selects the chunk's rows and appends them. The statement is bounded by a number of rows; with a condition, by a range
// of the key with so many rows, whether they meet it or not: else a condition that few rows meet would make the server look
// at the whole table at once.
func (r *reader) read(t *scanTable, c capture.Chunk, b *changelog.Batch) (chunkRows, error) {
	if len(t.key.parts) == 0 {
		return r.whole(t, c, b)
	}
	p := r.paces[t.name]
	if p == nil {
		p = &pace{}
		r.paces[t.name] = p
	}
	limit := p.next(c)
	where, err := t.rangeOf(c)
	if err != nil {
		return chunkRows{}, err
	}
	began, out := time.Now(), chunkRows{table: t, done: true}
	tail := t.key.orderBy() + " LIMIT " + strconv.Itoa(limit)
	if c.Where != "" {
		upper, err := r.nth(t, where, limit)
		if err != nil {
			return chunkRows{}, err
		}
		if upper != nil {
			out.last, out.done = t.key.cursor(upper), false
			literals, err := t.key.literals(upper)
			if err != nil {
				return chunkRows{}, badCursor(err)
			}
			where = append(where, t.key.upTo(literals))
		}
		where = append(where, condition(c))
		tail = t.key.orderBy()
	}
	got, err := r.rows(t, "SELECT "+t.list+t.from(where)+tail+r.lockRows(), c, b)
	if err != nil {
		return chunkRows{}, conditionFault(c, err)
	}
	looked := got.sent
	if c.Where != "" && !out.done {
		looked = limit
	}
	p.learn(looked, time.Since(began), got.taken, got.size)
	out.rows = got.taken
	if got.left || c.Where == "" && got.sent == limit {
		out.done = false
	}
	if got.taken > 0 && (c.Where == "" || got.left || out.done) {
		out.last = t.key.cursor(got.key)
	}
	return out, nil
}

// condition is the chunk's condition: on lines of its own, so that a comment at its end does no harm; as an argument, so that
// parentheses which do not match are an error and no other condition.
func condition(c capture.Chunk) string { return "IF(\n" + c.Where + "\n,TRUE,FALSE)" }

// whole reads a table without key.
func (r *reader) whole(t *scanTable, c capture.Chunk, b *changelog.Batch) (chunkRows, error) {
	var where []string
	if c.Where != "" {
		where = append(where, condition(c))
	}
	got, err := r.rows(t, "SELECT "+t.list+t.from(where)+r.lockRows(), c, b)
	if err != nil {
		return chunkRows{}, conditionFault(c, err)
	}
	return chunkRows{table: t, rows: got.taken, done: !got.left}, nil
}

// lockRows is the clause of a read that fails when a transaction that is not over has changed one of the rows.
func (r *reader) lockRows() string {
	if r.share {
		return sharing
	}
	return ""
}

// rangeOf is the chunk's range of the key as conditions.
func (t *scanTable) rangeOf(c capture.Chunk) ([]string, error) {
	after, err := t.literals(c.After)
	if err != nil {
		return nil, err
	}
	upTo, err := t.literals(c.UpTo)
	if err != nil {
		return nil, err
	}
	var where []string
	if len(after) > 0 {
		where = append(where, t.key.after(after))
	}
	if len(upTo) > 0 {
		where = append(where, t.key.upTo(upTo))
	}
	return where, nil
}

// from is the FROM and WHERE of a statement that goes by the key's index, if there is a key.
func (t *scanTable) from(where []string) string {
	sql := " FROM " + t.name.sql()
	if len(t.key.parts) > 0 {
		sql += " FORCE INDEX (" + quoteName(t.key.index) + ")"
	}
	for i, w := range where {
		sql += [2]string{" WHERE ", " AND "}[min(i, 1)] + w
	}
	return sql
}

// nth gives the key of the nth row of a range, nil when it has fewer.
func (r *reader) nth(t *scanTable, where []string, n int) ([][]byte, error) {
	rows, err := r.conn.query(t.nthSQL(where, n))
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	key := make([][]byte, len(t.key.parts))
	for i, v := range rows[0] {
		key[i] = t.key.parts[i].text([]byte(v))
	}
	return key, nil
}

// nthSQL selects the key of the nth row of a range. The index gives the keys, and no row of the others leaves the server.
func (t *scanTable) nthSQL(where []string, n int) string {
	return "SELECT " + t.keyList + t.from(where) + t.key.orderBy() + " LIMIT " + strconv.Itoa(n-1) + ",1"
}

// resultRows is what became of the rows of a statement.
type resultRows struct {
	sent, taken int
	size        int      // of the taken ones in the batch
	left        bool     // some were left because the batch had its size
	key         [][]byte // of the last one that was taken
}

// rows runs a statement and appends its rows as changes.
func (r *reader) rows(t *scanTable, sql string, c capture.Chunk, b *changelog.Batch) (resultRows, error) {
	got := resultRows{key: make([][]byte, len(t.key.parts))}
	if err := r.packets.run(r.conn, sql); err != nil {
		return got, serverFault("reading rows of "+t.name.String(), err)
	}
	defer r.packets.shrink()
	before := b.Size()
	drained := 0
	for {
		p, err := r.packets.next()
		if got.left && errorCode(err) == 1317 { // as we have asked for
			p, err = nil, nil
		}
		if err != nil {
			return got, serverFault("reading rows of "+t.name.String(), err)
		}
		if p == nil {
			break
		}
		got.sent++
		if got.left {
			if drained += len(p); drained > mostDrained(c) && drained-len(p) <= mostDrained(c) {
				if err := r.interrupt(); err != nil {
					return got, err
				}
			}
			continue
		}
		row, err := t.row(b, p, got.key)
		if err != nil {
			return got, err
		}
		n := uint64(got.taken)
		b.Changes = append(b.Changes, changelog.Change{Op: changelog.Read, Index: n, TableIndex: n, After: row})
		got.taken++
		got.size = b.Size() - before
		got.left = got.size >= c.Bytes
	}
	got.left = got.left && got.sent > got.taken
	for i := range got.key {
		got.key[i] = t.key.parts[i].text(got.key[i])
	}
	return got, nil
}

// mostDrained is how many bytes of rows that have no place are read, before the statement is stopped.
func mostDrained(c capture.Chunk) int { return 2*c.Bytes + 4<<20 }

// interrupt stops the running statement, which sends far more than there is room for: rows are larger here than before.
func (r *reader) interrupt() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.src.cfg.ConnectTimeout)
	defer cancel()
	c, err := r.src.scanConn(ctx)
	if err != nil {
		return err
	}
	defer c.leave()
	_, err = c.query("KILL QUERY " + strconv.FormatUint(uint64(r.conn.GetConnectionID()), 10))
	return err
}

// text is what of a value's text belongs to the key.
func (p *keyPart) text(raw []byte) []byte {
	if p.form == formLabels {
		for i, b := range raw {
			if b == labelMark {
				return raw[:i]
			}
		}
	}
	return raw
}

// conditionFault blames the condition for errors that only it can have made.
func conditionFault(c capture.Chunk, err error) error {
	if c.Where == "" {
		return err
	}
	switch errorCode(err) {
	case 1046, 1052, 1054, 1064, 1149, 1222, 1241, 1242, 1247, 1267, 1270, 1271, 1305, 1318, 1411, 1525, 1582, 1630, 1690, 3141, 3143:
		return fault.NewFinal(fault.Config, "reading "+c.Table.FullName()+" with a condition", err, fmt.Sprintf("Correct the condition: %s", abbreviate(c.Where, 200)))
	}
	return err
}

// Bounds implements capture.Reader. Only integers can be cut without a look at the rows: by two dives into the index.
func (r *reader) Bounds(ctx context.Context, table capture.ScanTable, n int) ([]capture.Cursor, error) {
	const least = 10_000 // rows that are worth a range
	if table.Rows >= 0 {
		n = int(min(int64(n), table.Rows/least))
	}
	if n < 2 || len(table.Key) == 0 {
		return nil, nil
	}
	var bounds []capture.Cursor
	err := r.during(ctx, func() (err error) {
		bounds, err = r.bounds(table, n)
		return err
	})
	if errors.As(err, new(capture.NotYet)) {
		return nil, nil
	}
	return bounds, err
}

func (r *reader) bounds(table capture.ScanTable, n int) ([]capture.Cursor, error) {
	t, _, err := r.table(capture.Chunk{Table: table})
	if err != nil {
		return nil, err
	}
	lead := t.key.parts[0]
	var out []capture.Cursor
	if lead.form == formNumber {
		name := quoteName(lead.name)
		rows, err := r.conn.query("SELECT MIN(" + name + ")+0, MAX(" + name + ")+0" + t.from(nil))
		if err != nil {
			return nil, r.tableFault(t.name, err)
		}
		first, last := rows[0][0], rows[0][1]
		if lead.descending {
			first, last = last, first
		}
		for _, at := range cut(first, last, n) {
			out = append(out, t.key.cursor([][]byte{[]byte(at)}))
		}
	}
	_, err = r.conn.query(commit)
	return out, err
}
