package debezium

import (
	"unicode/utf8"

	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

var _ formats.Locator = (*reader)(nil)

// logOfCommits is the order of PostgreSQL's log as it is decoded: by commits, and in a transaction by the change.
const logOfCommits = "commits"

// Locate implements formats.Locator. Rows of snapshots have no place: they are read in no order of the log.
func (r *reader) Locate(rec *formats.Record) formats.Place {
	if rec.Value == nil || !utf8.Valid(rec.Value) {
		return formats.Place{}
	}
	if _, err := r.payload(rec.Value); err != nil {
		return formats.Place{}
	}
	var e envelope
	if e.find(&r.value) != nil || r.readSource(e.source) != nil {
		return formats.Place{}
	}
	p := &r.place
	commit := lastCommit(p.sequence)
	switch {
	case p.snapshot != nil && string(p.snapshot) != `"false"` && string(p.snapshot) != `false` && !jsonx.IsNull(p.snapshot):
	case p.lsn > 0 && commit > 0:
		return formats.Place{Log: logOfCommits, Major: commit, Minor: p.lsn, Time: p.commit}
	case p.lsn == 0 && len(p.file) > 2:
		if base, number, ok := logFile(p.file[1 : len(p.file)-1]); ok {
			return formats.Place{Log: r.logName(base), Major: number, Minor: p.pos, Row: uint64(p.row), Time: p.commit}
		}
	}
	return formats.Place{}
}

// logFile takes the name of a log file apart, "binlog.000012".
func logFile(name []byte) (base []byte, number uint64, ok bool) {
	digits := len(name)
	for digits > 0 && name[digits-1] >= '0' && name[digits-1] <= '9' {
		digits--
		if len(name)-digits > 18 {
			return nil, 0, false
		}
	}
	for _, c := range name[digits:] {
		number = number*10 + uint64(c-'0')
	}
	return name[:digits], number, digits < len(name)
}

// logName keeps the name of the log, which is nearly always the one before.
func (r *reader) logName(base []byte) string {
	if r.log != string(base) {
		r.log = string(base)
	}
	return r.log
}
