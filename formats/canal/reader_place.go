package canal

import (
	"bytes"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

var _ formats.Locator = (*reader)(nil)

// Logs that places are in. Canal's messages do not say where in the binlog they are. What is left of its order is that it makes them
// one after the other: times of its clock, and within a millisecond the numbers of its batches.
const (
	logOfCanal  = "canal"
	logOfEvents = "events"
)

// Locate implements formats.Locator. Messages without a number of a batch, as TiCDC and others write them, are ordered by when they
// happened. Those that cdcbridge wrote are made by several workers at a time: their times order nothing.
func (r *reader) Locate(rec *formats.Record) formats.Place {
	for i := range rec.Headers {
		if rec.Headers[i].Name == "cdc.ord" {
			return formats.Place{}
		}
	}
	if rec.Value == nil || r.envelope(rec.Value) != nil {
		return formats.Place{}
	}
	m := &r.msg
	switch {
	case m.batch > 0 && m.built > 0:
		return formats.Place{Log: logOfCanal, Major: uint64(m.built), Minor: m.batch, Time: m.built * 1000, Bunched: true}
	case m.time > 0 && m.has&(1<<memberTime) != 0:
		return formats.Place{Log: logOfEvents, Major: uint64(m.time), Time: m.time * 1000, Bunched: true}
	}
	return formats.Place{}
}

// txn appends what the message says of its transaction and gives its index. Messages do not tell where one begins or ends.
func (r *reader) txn(b *changelog.Batch) int {
	m := &r.msg
	t := changelog.Txn{Commit: m.time * 1000, First: true, Last: true, Origin: changelog.Origin{Batch: m.batch, Built: m.built}}
	if singleGTID(m.gtid) {
		t.ID = b.String(m.gtid)
		t.Origin.GTID = t.ID
	} else {
		t.Origin.Executed = executed(m.gtid)
	}
	b.Txns = append(b.Txns, t)
	return len(b.Txns) - 1
}

// singleGTID tells the GTID of one transaction, which we write, from the set of all, which Canal writes.
func singleGTID(gtid []byte) bool {
	colon, dash, from := 0, 0, 0
	for i, c := range gtid {
		switch c {
		case ',', '\n', ' ':
			return false
		case ':':
			colon, dash, from = colon+1, 0, i+1
		case '-':
			dash++
		}
	}
	if colon == 0 {
		return dash == 2 // domain-server-sequence, of MariaDB
	}
	_, err := strconv.ParseUint(string(gtid[from:]), 10, 64)
	return err == nil && dash == 0
}

// executed counts the transactions of a set of MySQL, "uuid:1-594:600,uuid:tag:1-7"; 0 where the text is none.
func executed(set []byte) uint64 {
	total := uint64(0)
	for source := range bytes.SplitSeq(set, []byte{','}) {
		uuid, intervals, ok := bytes.Cut(bytes.TrimSpace(source), []byte{':'})
		if !ok || len(uuid) != len("3e11fa47-71ca-11e1-9e33-c80aa9429562") {
			return 0
		}
		for interval := range bytes.SplitSeq(intervals, []byte{':'}) {
			if len(interval) > 0 && (interval[0] < '0' || interval[0] > '9') {
				continue // a tag
			}
			low, high, span := bytes.Cut(interval, []byte{'-'})
			if !span {
				high = low
			}
			from, errFrom := strconv.ParseUint(string(low), 10, 63)
			to, errTo := strconv.ParseUint(string(high), 10, 63)
			if errFrom != nil || errTo != nil || to < from {
				return 0
			}
			total += to - from + 1
		}
	}
	return total
}
