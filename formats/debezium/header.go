package debezium

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// headers are those that Debezium puts on every record of its own accord: which connector wrote it, and in which run.
func (f *format) headers(t *changelog.Table) []formats.Header {
	if !f.cfg.Identity.ExtendedHeadersEnabled {
		return nil
	}
	const prefix = "__debezium.context."
	return []formats.Header{
		{Name: prefix + "connectorLogicalName", Value: []byte(f.env.Server)},
		{Name: prefix + "taskId", Value: []byte("0")},
		{Name: prefix + "connectorName", Value: []byte(t.Origin)},
		{Name: prefix + "runId", Value: []byte(f.run)},
	}
}

// RecordHeaders are on every record of the table, tombstones included.
func (e *encoder) RecordHeaders() []formats.Header { return e.headers }

// newRun makes a UUID of version 7: the time in milliseconds, and a random number.
func newRun() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16|uint64(b[6])<<8|uint64(b[7]))
	b[6], b[8] = b[6]&0x0F|0x70, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
