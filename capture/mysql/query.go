package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// queryEvent takes a statement out of its event.
func (s *stream) queryEvent(ctx context.Context, h *eventHeader, body []byte) error {
	s.time = int64(h.Timestamp) * 1e6
	if thread, ok := plainBegin(body); ok && h.Type == eventQuery && s.txn.active {
		s.txn.ranBy(thread)
		s.txn.begun = true
		return nil
	}
	q, err := parseQuery(body)
	if err == nil && h.Type == eventQueryCompressed {
		q.SQL, err = s.inflate.record(q.SQL)
	}
	if err != nil {
		return err
	}
	return s.query(ctx, q)
}

// query handles a statement in the log: a boundary of the transaction, DDL, or something that must not be there.
func (s *stream) query(ctx context.Context, q queryBody) error {
	t := &s.txn
	if !t.active {
		return badEvent("reading the binlog stream", "the statement %q stands outside of a transaction", abbreviate(string(q.SQL), 60))
	}
	t.ranBy(q.ThreadID)
	if string(q.SQL) == "COMMIT" { // of tables without transactions
		return s.finish("COMMIT")
	}
	text, err := q.text(s.batch)
	if err != nil {
		return err
	}
	sql := string(text)
	st := classify(sql, string(q.Schema), q.SQLMode)
	switch st.kind {
	case stmtBegin:
		t.begun = true
		return nil
	case stmtCommit:
		return s.finish("COMMIT")
	case stmtRollback:
		return s.rollback()
	case stmtSavepoint:
		t.savepoint(st.name)
		return nil
	case stmtRollbackTo:
		return s.rollbackTo(st.name)
	case stmtXAStart:
		t.begun, t.xa = true, st.name
		return nil
	case stmtXAEnd:
		return nil
	case stmtXACommit, stmtXARollback:
		return s.xaFinish(ctx, st.name, st.kind == stmtXACommit)
	}
	t.said++
	switch {
	case t.quiet || t.unapplied:
	case s.probe != nil:
		s.probe.see(s, st, sql)
	default:
		if err := s.statement(ctx, st, q, sql); err != nil {
			return err
		}
	}
	if t.begun {
		return nil
	}
	return s.finish("a statement")
}

// statement judges what is no boundary.
func (s *stream) statement(ctx context.Context, st statement, q queryBody, sql string) error {
	switch st.kind {
	case stmtNeutral:
		if st.defines {
			return s.ddl(ctx, st, q, sql)
		}
		return nil
	case stmtDML:
		return s.refuseDML(st, sql)
	case stmtShape, stmtRows:
		return s.ddl(ctx, st, q, sql)
	}
	return fault.NewFinal(fault.Decode, "reading the binlog stream", fmt.Errorf("the statement %q is unknown", abbreviate(sql, 200)),
		"Nothing was skipped: it may change rows of captured tables. Upgrade cdcbridge, or report it.")
}

// refuseDML stops at rows that were changed by a statement and not logged as rows.
func (s *stream) refuseDML(st statement, sql string) error {
	names := s.captured(st)
	if len(names) == 0 && !st.anything {
		return nil
	}
	return fault.NewFinal(fault.StatementDML, "reading the binlog stream", fmt.Errorf("a statement changed rows and was logged as text: %s", abbreviate(sql, 200)),
		"Some session has binlog_format other than ROW: find it, and take SYSTEM_VARIABLES_ADMIN from its account. The rows that it changed are unknown: snapshot the tables again.")
}

// captured gives the statement's tables that are captured, each once.
func (s *stream) captured(st statement) []tableName {
	var out []tableName
	for _, n := range st.tables {
		n = s.src.stored(n)
		if (n.name != "" && s.src.filter.Match(n.database, n.name) || n.name == "" && s.capturesIn(n.database)) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// stored is a name as the server keeps it.
func (s *source) stored(n tableName) tableName {
	if s.facts.vars["lower_case_table_names"] != "0" {
		n.database, n.name = strings.ToLower(n.database), strings.ToLower(n.name)
	}
	return n
}

// capturesIn reports whether tables of a database can be captured.
func (s *stream) capturesIn(database string) bool { return s.src.capturesIn(database) }

func (s *source) capturesIn(database string) bool {
	for _, p := range s.cfg.Tables {
		schema, _, _ := strings.Cut(p, ".")
		if f, err := capture.NewFilter([]string{schema + ".*"}, nil); err == nil && f.Match(database, "t") {
			return true
		}
	}
	return false
}

// diverges reports whether the target can have rows of the tables. A stream that began without checkpoint knows: only what
// it has shown, or what was read meanwhile.
func (s *stream) diverges(names []tableName) bool {
	if !s.src.fresh {
		return true
	}
	for _, n := range names {
		for known, e := range s.tables.byName {
			if e.seen && known.database == n.database && (n.name == "" || known.name == n.name) {
				return true
			}
		}
		read := false
		s.src.scanned.Range(func(key, _ any) bool {
			known := key.(tableName)
			read = read || known.database == n.database && (n.name == "" || known.name == n.name)
			return true
		})
		if read {
			return true
		}
	}
	return false
}

// note puts a note at this place of the batch, which gets copies of its texts.
func (s *stream) note(n changelog.Note) {
	n.At, n.Txn = len(s.batch.Changes), s.entry()
	n.Text, n.Database = s.batch.String([]byte(n.Text)), s.batch.String([]byte(n.Database))
	s.batch.Notes = append(s.batch.Notes, n)
}

func joinNames(names []tableName) string {
	var parts []string
	for _, n := range names {
		parts = append(parts, n.String())
	}
	return strings.Join(parts, ", ")
}

// loadQuery handles LOAD DATA that was logged as a statement: a QUERY event with the place of the file name in between.
func (s *stream) loadQuery(body []byte) error {
	const query, load = 13, 13 // the fixed parts
	if len(body) < query+load {
		return badEvent("reading an EXECUTE_LOAD_QUERY event", "it has only %d bytes", len(body))
	}
	q, err := parseQuery(append(body[:query:query], body[query+load:]...))
	if err != nil {
		return err
	}
	if s.txn.quiet {
		return nil
	}
	return s.refuseDML(classify(string(q.SQL), string(q.Schema), q.SQLMode), string(q.SQL))
}
