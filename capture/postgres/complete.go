package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// This file is the one place that reads values which the log left out: an update does not log a large value (TOAST) that it
// does not touch. Where the old row has it the stream takes it from there; here it is read from the table.
//
// The row is read as it is now, which may be later than the change. Then a later change of the row has made the difference,
// and it follows in the stream: with the value, if it has touched it, or by a read of its own. That holds if
//   - the read sees the transaction of the change: the log shows commits that readers do not see yet, and the value would be
//     the one before, for good;
//   - nothing that the read sees can be undone: with synchronous_commit=off readers see commits that a crash takes back, so
//     the values count only once the log is durable up to what was read;
//   - no rewriting ALTER TABLE hides the rows: the table is locked before the snapshot is taken;
//   - the row is found by the columns that its delete would carry. A row that is gone has its delete, or its move to another
//     key, on the way: see changelog.Gone.

const opComplete = "reading a value that the log left out"

// gap is a change whose new row the log does not carry whole.
type gap struct {
	change int // its index in the batch
	xid    uint32
	shape  *shape
	entry  *tableEntry
	size   int    // what its missing values are taken to need, in bytes of memory
	body   []byte // the message, in the batch's memory
}

const (
	// firstGapSize is what a missing value is taken to need, in bytes of memory, before one was read.
	firstGapSize = 64 << 10
	// quietRetries is how long a read may wait for what it must see before the log says so.
	quietRetries = 10 * time.Second
)

// complete fills the gaps of a batch.
func (s *source) complete(ctx context.Context, b *changelog.Batch, gaps []gap) error {
	if s.cfg.UnchangedValues == unchangedLeave {
		return nil
	}
	for len(gaps) > 0 {
		n := 1
		for n < len(gaps) && gaps[n].shape == gaps[0].shape {
			n++
		}
		if err := s.reread(ctx, b, gaps[:n]); err != nil {
			return fmt.Errorf("table %s: %w", gaps[0].shape.table.FullName(), err)
		}
		gaps = gaps[n:]
	}
	return nil
}

// reread fills gaps of one table and shape. It tries until a read sees what it must.
func (s *source) reread(ctx context.Context, b *changelog.Batch, gaps []gap) error {
	oid, err := relationOf(gaps[0].body)
	if err != nil {
		return err
	}
	r := &rereader{src: s, conn: s.side, gaps: gaps, oid: oid}
	if err := r.prepare(); err != nil {
		return err
	}
	began, told := time.Now(), false
	for pause := time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		why, err := r.attempt(ctx, b)
		if err != nil || why == "" {
			return err
		}
		if !told && time.Since(began) > quietRetries {
			told = true
			t := gaps[0].shape.table
			s.env.Log.Warn("the stream waits for a value that the log left out", "table", t.FullName(), "because", why)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func goneTable() error {
	return fault.NewFinal(fault.SchemaUnknown, opComplete, errors.New("the table is gone, and with it the values that an update before left unchanged"),
		"Leave the table out of tables, or set unchanged_values: leave where the topics may have placeholders. REPLICA IDENTITY FULL makes the log carry such values.")
}

// rereader reads the gaps of one table.
type rereader struct {
	src  *source
	conn *conn
	gaps []gap
	oid  uint32 // of the table

	missing []int      // columns that some gap lacks
	key     []int      // columns that find a row
	types   []uint32   // of the key's columns
	keys    [][][]byte // text of each gap's key
	first   []int      // the first gap with the same key
}

// prepare finds out what is to be read. It looks at the messages again, because a decoded value has lost its text.
func (r *rereader) prepare() error {
	sh := r.gaps[0].shape
	lacks := make([]bool, len(sh.columns))
	seen := map[string]int{}
	for i, is := range sh.identity {
		if is {
			r.key, r.types = append(r.key, i), append(r.types, sh.oids[i])
		}
	}
	for n := range r.gaps {
		old, row, err := sh.texts(r.gaps[n].body)
		if err != nil {
			return err
		}
		var key [][]byte
		var id strings.Builder
		for _, i := range r.key {
			text := row[i].text
			if row[i].kind == columnUnchanged && old != nil {
				text = old[i].text
			}
			if text == nil {
				return sh.mismatch("an update carries no value for column %d, which identifies the row", i+1)
			}
			key = append(key, text)
			fmt.Fprintf(&id, "%d:%s", len(text), text)
		}
		for i := range row {
			lacks[i] = lacks[i] || row[i].kind == columnUnchanged
		}
		first, twice := seen[id.String()]
		if !twice {
			first, seen[id.String()] = n, n
		}
		r.keys, r.first = append(r.keys, key), append(r.first, first)
	}
	if len(r.key) == 0 {
		return sh.mismatch("an update came without replica identity")
	}
	for i := range lacks {
		if lacks[i] {
			r.missing = append(r.missing, i)
		}
	}
	return nil
}

// attempt reads once. It says why it must be repeated, if so.
func (r *rereader) attempt(ctx context.Context, b *changelog.Batch) (again string, err error) {
	rows, err := r.conn.query(ctx, "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1", strconv.FormatUint(uint64(r.oid), 10))
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", goneTable()
	}
	limited, cancel := context.WithTimeout(ctx, r.conn.timeout)
	defer cancel()
	table, kind := rows[0][0], rows[0][1][0]
	m, err := r.conn.beginMoment(limited, table, kind, r.src.cfg.Publication, 2*time.Second)
	if err == nil {
		again, err = r.read(limited, b, lockTarget(table, kind), m)
	}
	if err != nil {
		undo := r.conn.abandon(limited)
		var pe *pgconn.PgError
		if errors.As(err, &pe) && undo == nil && (pe.Code == lockNotAvailable || pe.Code == undefinedTable) {
			return "its table cannot be locked: " + pe.Message, nil
		}
		return "", serverFault(opComplete, cause(ctx, err))
	}
	return again, nil
}

// read goes on in the moment's transaction and ends it.
func (r *rereader) read(ctx context.Context, b *changelog.Batch, from string, m moment) (again string, err error) {
	if m.oid != r.oid {
		again = "its table is being replaced"
	} else if err := r.fits(ctx); err != nil {
		return "", err
	}
	for i := range r.gaps {
		if !m.snap.sees(r.gaps[i].xid) {
			again = fmt.Sprintf("transaction %d is in the log and not visible yet", r.gaps[i].xid)
		}
	}
	var rows [][][]byte
	if again == "" {
		if rows, err = r.lookUp(ctx, from); err != nil {
			return "", err
		}
	}
	durable, err := r.conn.commitUpTo(ctx, m.end)
	if err != nil || again != "" {
		return again, err
	}
	if !durable {
		return "the server's log is not durable yet", nil
	}
	return "", r.fill(b, rows)
}

// lookUp reads the missing columns of each key: one statement each, all in one round trip, so that each is found by the
// index whatever the planner thinks of the table. A row that is not there is nil.
func (r *rereader) lookUp(ctx context.Context, from string) ([][][]byte, error) {
	t := r.gaps[0].shape.table
	var sql strings.Builder
	for n, i := range r.missing {
		sql.WriteString([]string{"SELECT ", ", "}[min(n, 1)] + identifier(t.Columns[i].Name))
	}
	sql.WriteString(" FROM " + from)
	for n, i := range r.key {
		fmt.Fprintf(&sql, "%s%s = $%d", []string{" WHERE ", " AND "}[min(n, 1)], identifier(t.Columns[i].Name), n+1)
	}
	if _, err := r.conn.pg.Prepare(ctx, "", sql.String(), r.types); err != nil {
		return nil, err
	}
	var batch pgconn.Batch
	for n := range r.gaps {
		if r.first[n] == n {
			batch.ExecPrepared("", r.keys[n], nil, nil)
		}
	}
	results, err := r.conn.pg.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return nil, err
	}
	rows := make([][][]byte, len(r.gaps))
	next := 0
	for n := range r.gaps {
		if r.first[n] != n {
			rows[n] = rows[r.first[n]]
			continue
		}
		if found := results[next].Rows; len(found) == 1 {
			rows[n] = found[0]
		} else if len(found) > 1 {
			return nil, fmt.Errorf("%d rows have one key", len(found))
		}
		next++
	}
	return rows, nil
}

// fill puts what was read into the changes. Changes of one row share it.
func (r *rereader) fill(b *changelog.Batch, rows [][][]byte) error {
	sh := r.gaps[0].shape
	values := make([]changelog.Row, len(r.gaps))
	for n := range r.gaps {
		ch := &b.Changes[r.gaps[n].change]
		if rows[n] == nil {
			ch.Fill = changelog.Gone
			continue
		}
		if first := r.first[n]; first != n {
			values[n] = values[first]
		} else {
			before := b.Size()
			values[n] = b.NewRow(len(r.missing))
			for k, i := range r.missing {
				if rows[n][k] == nil {
					continue
				}
				if err := sh.columns[i].decode(&sh.columns[i], b.Copy(rows[n][k]), &values[n][k], b); err != nil {
					return sh.valueFault(i, err)
				}
			}
			// The largest one of late counts: a batch that is larger than it should be costs memory.
			e := r.gaps[n].entry
			e.gapSize = max(b.Size()-before, e.gapSize-e.gapSize/64)
		}
		ch.Fill = changelog.Reread
		for k, i := range r.missing {
			if ch.After[i].IsUnchanged() {
				ch.After[i] = values[n][k]
			}
		}
	}
	return nil
}

// fits makes sure that the table, which is locked, still has the columns that the log speaks of.
func (r *rereader) fits(ctx context.Context) error {
	facts, err := r.src.tableFacts(ctx, r.oid)
	if err != nil {
		return err
	}
	sh := r.gaps[0].shape
	for _, list := range [][]int{r.key, r.missing} {
		for _, i := range list {
			name := sh.table.Columns[i].Name
			if f := facts.column(name); f == nil || f.typ != sh.oids[i] {
				return fault.NewFinal(fault.SchemaUnknown, opComplete, fmt.Errorf("the column %q was dropped, renamed or retyped since an update left a large value unchanged", name),
					"Start the table over with a new snapshot. REPLICA IDENTITY FULL makes the log carry such values; else change columns only while the pipeline has caught up.")
			}
		}
	}
	return nil
}
