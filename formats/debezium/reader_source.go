package debezium

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// place is what source and transaction block of a message say. Raw values are parts of the record.
type place struct {
	connector, database, schema, table []byte // raw; nil: not said
	id                                 []byte // of the transaction, raw
	gtid, file, replica, name          []byte // raw
	sequence, snapshot                 []byte // raw

	commit            int64 // microseconds since the Unix epoch
	pos               uint64
	lsn               uint64
	replicaLSN        uint64
	thread            uint64
	server            uint32
	xid               uint32
	row               int32
	index, tableIndex uint64
}

// readSource reads the block. It is absent in messages that Flink wrote.
func (r *reader) readSource(at int) error {
	r.place = place{}
	if !image(&r.value, at) {
		return nil
	}
	x := &r.value
	if !jsonx.IsObject(x.Value(at)) {
		return errors.New("it is no object")
	}
	var millis, micros []byte
	for n := at + 1; n < x.Next(at); n = x.Next(n) {
		raw := x.Value(n)
		if jsonx.IsNull(raw) {
			continue
		}
		name := x.Name(n)
		text, err := r.place.field(string(name), raw)
		switch {
		case err != nil:
			return fmt.Errorf("field %s: %w", name, err)
		case text != nil && *text != nil:
			return fmt.Errorf("the field %s occurs twice", name)
		case text != nil:
			*text = raw
		case string(name) == "ts_ms":
			millis = raw
		case string(name) == "ts_us":
			micros = raw
		}
	}
	return r.place.time(millis, micros)
}

// field takes what a field says, or tells where its text belongs; neither, when the field says nothing to us.
func (p *place) field(name string, raw []byte) (text *[]byte, err error) {
	switch name {
	case "connector":
		text = &p.connector
	case "name":
		text = &p.name
	case "db":
		text = &p.database
	case "schema":
		text = &p.schema
	case "table":
		text = &p.table
	case "snapshot":
		p.snapshot = raw
		return nil, nil
	case "gtid":
		text = &p.gtid
	case "file":
		text = &p.file
	case "sequence":
		text = &p.sequence
	case "origin":
		text = &p.replica
	case "pos":
		p.pos, err = unsigned(raw, math.MaxInt64)
	case "lsn":
		p.lsn, err = unsigned(raw, math.MaxInt64)
	case "origin_lsn":
		p.replicaLSN, err = unsigned(raw, math.MaxInt64)
	case "thread":
		p.thread, err = unsigned(raw, math.MaxInt64)
	case "server_id":
		var n uint64
		n, err = unsigned(raw, math.MaxUint32)
		p.server = uint32(n)
	case "txId":
		var n uint64
		n, err = unsigned(raw, math.MaxInt64)
		p.xid = uint32(n)
	case "row":
		var n uint64
		n, err = unsigned(raw, math.MaxInt32)
		p.row = int32(n)
	}
	if text != nil && !jsonx.IsString(raw) {
		return nil, mistyped(raw, "text")
	}
	return text, err
}

func unsigned(raw []byte, most uint64) (uint64, error) {
	n, err := jsonx.Int(raw)
	if err != nil || n < 0 || uint64(n) > most {
		return 0, mistyped(raw, "number as it can be there")
	}
	return uint64(n), nil
}

// time prefers microseconds, which releases since 2.6 have.
func (p *place) time(millis, micros []byte) error {
	if micros != nil {
		n, err := jsonx.Int(micros)
		p.commit = n
		if err != nil {
			return fmt.Errorf("field ts_us: %w", err)
		}
		return nil
	}
	if millis != nil {
		n, err := jsonx.Int(millis)
		if err != nil || n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return fmt.Errorf("field ts_ms: %w", mistyped(millis, "time"))
		}
		p.commit = n * 1000
	}
	return nil
}

// readTransaction reads the block that the transaction's metadata add.
func (r *reader) readTransaction(at int) error {
	if !image(&r.value, at) {
		return nil
	}
	x := &r.value
	if !jsonx.IsObject(x.Value(at)) {
		return errors.New("it is no object")
	}
	for n := at + 1; n < x.Next(at); n = x.Next(n) {
		raw := x.Value(n)
		var err error
		var order uint64
		switch string(x.Name(n)) {
		case "id":
			if !jsonx.IsString(raw) {
				return mistyped(raw, "text")
			}
			r.place.id = raw
		case "total_order":
			order, err = unsigned(raw, math.MaxInt64)
			r.place.index = max(order, 1) - 1
		case "data_collection_order":
			order, err = unsigned(raw, math.MaxInt64)
			r.place.tableIndex = max(order, 1) - 1
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", x.Name(n), err)
		}
	}
	return nil
}

// places is snapshots turned around. Releases before 1.5 had a boolean.
var places = func() map[string]changelog.Snapshot {
	m := map[string]changelog.Snapshot{`true`: changelog.SnapshotRow}
	for place, text := range snapshots {
		m[`"`+text+`"`] = changelog.Snapshot(place)
	}
	return m
}()

// snapshotOf tells where in a snapshot a row was read. Only reads can have been.
func (p *place) snapshotOf(op changelog.Op) changelog.Snapshot {
	if op != changelog.Read || p.snapshot == nil {
		return changelog.Streamed
	}
	return places[string(p.snapshot)]
}

// string gives the text of a raw literal as a string that lives as long as the batch, the old one if it is the same.
func (r *reader) string(raw []byte, old string) string {
	if raw == nil || len(raw) == 2 {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		if raw = raw[1 : len(raw)-1]; string(raw) == old {
			return old
		}
		return r.batch.String(raw)
	}
	text, err := r.peek(raw)
	if err != nil {
		return "" // half of a surrogate pair, in the name of a file or of a transaction
	}
	return r.batch.String(text)
}

// appendChange puts a change into the batch, into the run and the transaction before it if they are the same.
func (r *reader) appendChange(table *changelog.Table, ch *changelog.Change) {
	b, p := r.batch, &r.place
	snapshot := p.snapshotOf(ch.Op)
	if t := r.transaction(snapshot != changelog.Streamed); len(b.Txns) == 0 || !sameTxn(&b.Txns[len(b.Txns)-1], &t) {
		b.Txns = append(b.Txns, t)
	}
	at := len(b.Changes)
	b.Changes = append(b.Changes, *ch)
	txn := len(b.Txns) - 1
	if n := len(b.Runs) - 1; n >= 0 {
		run := &b.Runs[n]
		if run.Record == 0 && run.Table == table && run.Txn == txn && run.To == at && run.Pos == p.pos && run.Snapshot == snapshot && snapshot == changelog.Streamed {
			run.To++
			return
		}
	}
	b.Runs = append(b.Runs, changelog.Run{
		Table: table, Txn: txn, From: at, To: at + 1, Pos: p.pos, File: b.Txns[txn].Origin.File, Time: p.commit, Snapshot: snapshot,
	})
}

// transaction makes the transaction of the place.
func (r *reader) transaction(read bool) changelog.Txn {
	p := &r.place
	var old changelog.Txn
	if n := len(r.batch.Txns); n > 0 {
		old = r.batch.Txns[n-1]
	}
	t := changelog.Txn{
		Commit: p.commit, First: true, Last: true, Snapshot: read,
		Origin: changelog.Origin{
			File: r.string(p.file, old.Origin.File), Pos: p.pos, GTID: r.string(p.gtid, old.Origin.GTID), Name: r.string(p.name, old.Origin.Name), ServerID: p.server, Thread: p.thread,
			XID: p.xid, LastCommit: lastCommit(p.sequence), Replica: r.string(p.replica, old.Origin.Replica), ReplicaLSN: p.replicaLSN,
		},
	}
	if p.lsn != 0 {
		t.Origin.Pos = p.lsn
	}
	switch {
	case read:
	case p.id != nil:
		t.ID = r.string(p.id, old.ID)
	default:
		t.ID = t.Origin.GTID
	}
	return t
}

// sameTxn compares what is the same in all messages of one transaction. Without an id each message is one of its own.
func sameTxn(a, b *changelog.Txn) bool {
	return a.ID == b.ID && a.ID != "" && a.Commit == b.Commit && a.Snapshot == b.Snapshot && a.First && a.Last
}

// lastCommit reads the first element of PostgreSQL's sequence, a JSON text within a JSON text; 0 where it says nothing.
func lastCommit(raw []byte) uint64 {
	rest, ok := bytes.CutPrefix(raw, []byte(`"[\"`))
	if !ok {
		return 0
	}
	digits, _, _ := bytes.Cut(rest, []byte(`\"`))
	n, err := strconv.ParseUint(view(digits), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
