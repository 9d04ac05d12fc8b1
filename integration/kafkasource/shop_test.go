package kafkasource

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// epoch is when the first changes were made, in milliseconds. It is not long ago: a broker closes a segment of which the first record is
// a week older than the marker of its transaction, and compacts it, and the tests want all records to stay.
var epoch = int(time.Now().UnixMilli()) - 60_000

// row is one row of the table shop.orders.
type row struct {
	id   int
	item string
	n    int
}

func (r row) json() string { return fmt.Sprintf(`{"id":%d,"item":%q,"n":%d}`, r.id, r.item, r.n) }

func (r row) key() string { return fmt.Sprintf(`{"id":%d}`, r.id) }

// dialect writes changes of the table as one of the formats that are read. Nil before is an insert, nil after a delete.
type dialect struct {
	format  string
	options string // of the format in the source section
	say     func(s *shop, partition int32, before, after *row) []message
}

var (
	debezium = dialect{format: "debezium-json", say: sayDebezium}
	canal    = dialect{format: "canal-json", say: sayCanal}
	rows     = dialect{format: "plain-json", say: sayRows}
	dialects = []dialect{debezium, canal, rows}
)

// shop is the table as its database would have it, and what writes its changes. An id is always in the same partition.
type shop struct {
	dialect
	r          *rand.Rand
	partitions int
	rows       map[int]row
	serial     int // of changes: each has a position of its own in the database's log
}

func newShop(d dialect, seed uint64, partitions int) *shop {
	return &shop{dialect: d, r: rand.New(rand.NewPCG(seed, 2)), partitions: partitions, rows: map[int]row{}}
}

// put gives the messages that insert or update a row.
func (s *shop) put(id int) []message {
	s.serial++
	after := row{id, "item " + strconv.Itoa(s.serial), s.r.IntN(1000)}
	var before *row
	if old, ok := s.rows[id]; ok {
		before = &old
	}
	s.rows[id] = after
	return s.say(s, s.partition(id), before, &after)
}

// remove gives the messages that delete a row, which must be there.
func (s *shop) remove(id int) []message {
	s.serial++
	before := s.rows[id]
	delete(s.rows, id)
	return s.say(s, s.partition(id), &before, nil)
}

func (s *shop) partition(id int) int32 { return int32(id % s.partitions) }

// some gives the messages of n random changes over not many ids.
func (s *shop) some(n int) []message {
	var all []message
	for range n {
		id := s.r.IntN(200)
		if _, ok := s.rows[id]; ok && s.r.IntN(4) == 0 {
			all = append(all, s.remove(id)...)
		} else {
			all = append(all, s.put(id)...)
		}
	}
	return all
}

// fill gives inserts of the ids from begin to end-1.
func (s *shop) fill(begin, end int) []message {
	var all []message
	for id := begin; id < end; id++ {
		all = append(all, s.put(id)...)
	}
	return all
}

// restore undoes what happened to the rows since they were kept: the transaction that changed them was aborted.
func (s *shop) keep() (restore func()) {
	kept := maps.Clone(s.rows)
	return func() { s.rows = kept }
}

// table is what the topics must fold to: rows by their keys.
func (s *shop) table() map[string]string {
	m := make(map[string]string, len(s.rows))
	for _, r := range s.rows {
		m[r.key()] = r.json()
	}
	return m
}

// ids are those of the rows that are there, in order.
func (s *shop) ids() []int { return slices.Sorted(maps.Keys(s.rows)) }

func image(r *row) string {
	if r == nil {
		return "null"
	}
	return r.json()
}

// sayDebezium writes what Debezium writes without schemas: a delete is followed by a tombstone.
func sayDebezium(s *shop, partition int32, before, after *row) []message {
	op, of := "u", after
	switch {
	case before == nil:
		op = "c"
	case after == nil:
		op, of = "d", before
	}
	value := fmt.Sprintf(`{"before":%s,"after":%s,"source":{"version":"3.0.8.Final","connector":"mysql","name":"shop","ts_ms":%d,"snapshot":"false","db":"shop","table":"orders","server_id":1,"gtid":null,"file":"binlog.000001","pos":%d,"row":0},"op":%q,"ts_ms":%[3]d,"transaction":null}`,
		image(before), image(after), epoch+s.serial, 1000+s.serial, op)
	m := message{partition: partition, key: []byte(of.key()), value: []byte(value), changes: true}
	if after != nil {
		return []message{m}
	}
	return []message{m, {partition: partition, key: m.key}}
}

// sayCanal writes what Canal writes: no key, no tombstone, every value a text.
func sayCanal(s *shop, partition int32, before, after *row) []message {
	typ, of, old := "UPDATE", after, "null"
	switch {
	case before == nil:
		typ = "INSERT"
	case after == nil:
		typ, of = "DELETE", before
	default:
		old = fmt.Sprintf(`[{"item":%q,"n":"%d"}]`, before.item, before.n)
	}
	value := fmt.Sprintf(`{"data":[{"id":"%d","item":%q,"n":"%d"}],"database":"shop","es":%d,"gtid":"","id":%d,"isDdl":false,"mysqlType":{"id":"int","item":"varchar(40)","n":"int"},"old":%s,"pkNames":["id"],"sql":"","sqlType":{"id":4,"item":12,"n":4},"table":"orders","ts":%d,"type":%q}`,
		of.id, of.item, of.n, epoch+s.serial, s.serial, old, epoch+100+s.serial, typ)
	return []message{{partition: partition, value: []byte(value), changes: true}}
}

// sayRows writes what an upsert topic has: rows and tombstones.
func sayRows(_ *shop, partition int32, before, after *row) []message {
	if after == nil {
		return []message{{partition: partition, key: []byte(before.key()), changes: true}}
	}
	return []message{{partition: partition, key: []byte(after.key()), value: []byte(after.json()), changes: true}}
}
