package mysql

import (
	"context"
	"fmt"
	"slices"

	"cdcbridge/capture/mysql/schema"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// ddl handles a statement about tables: what it does to rows, to what is known of shapes, and what is told of it.
func (s *stream) ddl(ctx context.Context, st statement, q queryBody, sql string) error {
	if s.txn.skipping {
		return nil // a part of the transaction has left, and this with it
	}
	h, names := s.src.history, s.captured(st)
	if len(names) == 0 && !h.concerns(st) && (st.database == "" || !s.capturesIn(st.database)) {
		return nil
	}
	if st.sequence {
		return s.sequence(st, names)
	}
	lost := s.loses(st, names)
	changed, err := s.reshape(&st, q, sql)
	if err != nil {
		return err
	}
	if st.kind == stmtRows && len(lost) > 0 && s.diverges(lost) && s.cfg.OnTruncate == truncateFail {
		return fault.NewFinal(fault.Diverged, "reading the binlog stream", fmt.Errorf("a statement changes rows of %s without logging them: %s", joinNames(lost), abbreviate(sql, 200)),
			"The target still has the rows as they were. Snapshot the table again into an empty topic; or set on_truncate to note or ignore, which go on and leave the old rows.")
	}
	note := changelog.Note{Text: sql, Database: string(q.Schema), File: s.file, Pos: s.off, Time: s.time}
	if st.truncate {
		return s.tellTruncated(ctx, st, names, note)
	}
	told := len(names)
	for _, n := range changed {
		if t := (tableName{n.Database, n.Table}); !slices.Contains(names, t) && s.src.filter.Match(t.database, t.name) {
			names = append(names, t)
		}
	}
	for _, n := range names {
		if n.name == "" {
			continue
		}
		if err := s.tables.refresh(ctx, n); err != nil {
			return err
		}
	}
	s.tables.close()
	did, err := s.definitions(ctx, st, changed)
	if err != nil {
		return err
	}
	s.tell(st, names[:told], note, did)
	return nil
}

// reshape takes a statement into the history and gives the tables of which it changed what is known.
func (s *stream) reshape(st *statement, q queryBody, sql string) ([]schema.Name, error) {
	switch h := s.src.history; {
	case st.truncate:
		return nil, nil
	case q.ErrorCode != 0:
		return h.fail(*st)
	default:
		return h.apply(st, sql, h.session(q))
	}
}

// tell puts a note into the batch for each captured table of a statement. What it did to a table is in the table's note, and what
// it did to others in the first one.
func (s *stream) tell(st statement, names []tableName, n changelog.Note, did []defined) {
	n.Kind = changelog.DDL
	if st.kind == stmtRows && s.cfg.OnTruncate != truncateIgnore {
		n.Kind = changelog.Truncate
	}
	changed := make([][]changelog.Definition, len(names))
	for i, name := range names {
		changed[i] = share(&did, name)
	}
	for i, name := range names {
		n.Table, n.Changed = nil, changed[i]
		if name.name != "" {
			n.Table = s.tables.entry(name).table(name)
		}
		for _, d := range did {
			n.Changed = append(n.Changed, d.Definition)
		}
		did = nil
		s.note(n)
	}
}

// tellTruncated puts a note into the batch for each table that lost its rows. What a table looks like that had no row yet is looked
// up, where that can be told.
func (s *stream) tellTruncated(ctx context.Context, st statement, names []tableName, n changelog.Note) error {
	for _, name := range names {
		if e := s.tables.entry(name); name.name != "" && len(e.table(name).Columns) == 0 {
			t, err := s.definition(ctx, name)
			if err != nil {
				return err
			}
			if t != nil {
				e.last = t
			}
		}
	}
	s.tell(st, names, n, nil)
	return nil
}

// sequence follows sequences of MariaDB, whose counters are in the log as rows of tables.
func (s *stream) sequence(st statement, names []tableName) error {
	h := s.src.history
	for _, name := range names {
		n := name.schema()
		h.cat.Forget(n)
		if st.creates {
			h.sequences[n] = true // ALTER SEQUENCE too: there is one
		} else {
			delete(h.sequences, n)
		}
		if err := h.save(n); err != nil {
			return err
		}
		s.tables.forget(s.tables.entry(name))
	}
	return nil
}
