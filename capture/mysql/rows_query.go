package mysql

// This file keeps the statements that the log has with its rows: a ROWS_QUERY event of MySQL (binlog_rows_query_log_events), an ANNOTATE_ROWS event of MariaDB
// (binlog_annotate_row_events). One stands before the TABLE_MAP events of a statement and holds for all rows up to the next one or the transaction's end.

// rowsQuery takes in the text of a statement. A transaction that is done already needs none, but for rows of an XA transaction.
func (s *stream) rowsQuery(h *eventHeader, body eventBody) error {
	t := &s.txn
	if !s.cfg.IncludeQuery || !t.active || t.quiet && t.xa == "" {
		return body.discard()
	}
	b, err := body.body()
	if err != nil {
		return err
	}
	if h.Type == eventRowsQuery {
		if len(b) == 0 {
			return badEvent("reading a ROWS_QUERY event", "it has no length")
		}
		b = b[1:] // a length that is meant to be ignored: it has eight bits
	}
	t.query = string(b)
	return nil
}

// queryText puts a statement into the batch, whose memory it counts as; once for all its events there.
func (s *stream) queryText(query string) string {
	if query == "" {
		return ""
	}
	if n := len(s.batch.Runs); n > 0 && s.batch.Runs[n-1].Query == query {
		return s.batch.Runs[n-1].Query
	}
	return s.batch.String([]byte(query))
}
