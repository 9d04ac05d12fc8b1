package kafkasource

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
)

// TestCompactedSource reads a topic that is being compacted: offsets are missing, batches are empty, and what stood at the end may be
// gone. A bounded run comes to its end all the same.
func TestCompactedSource(t *testing.T) {
	t.Parallel()
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2, "cleanup.policy", "compact", "segment.ms", "100", "min.cleanable.dirty.ratio", "0.01",
		"max.compaction.lag.ms", "100", "delete.retention.ms", "0"), newShop(rows, 1, 2)
	w := e.writer(t, unique(t))
	for range 4 {
		s.write(t, table.some(100)...)
		restore := table.keep()
		w.begin(t, s, table.some(50)...)(false)
		restore()
		w.begin(t, s, table.some(50)...)(true)
	}
	last := table.ids()[:4]
	for _, id := range last { // the end is tombstones, which go away, and markers
		w.begin(t, s, table.remove(id)...)(true)
	}
	eventually(t, func() error {
		left, err := harness.ReadTopic(t.Context(), e.brokers, s.topic)
		if err == nil && len(left) > len(table.rows)*3/2 {
			s.write(t, table.put(200+table.serial%10)...) // rolls the segment, which is compacted only then
			err = fmt.Errorf("%d records are left of %d rows", len(left), len(table.rows))
		}
		return err
	})
	b := e.reads(t, rows, ", end: {at: latest}", s.topic)
	b.completes(t)
	b.folds(t, table.table())

	endless := e.reads(t, rows, "", s.topic)
	endless.name += "-endless"
	d := endless.running(t)
	endless.folds(t, table.table())
	e.noLag(t, "cdcbridge-"+endless.name, s.topic)
	d.Kill()
	s.write(t, table.some(20)...)
	endless.running(t)
	endless.folds(t, table.table())
}

// TestLargeRecords reads records that are larger than what is asked of a partition at once.
func TestLargeRecords(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	e := modern.get(t)
	s, table := e.newSource(t, unique(t)+".in.orders", 2, "max.message.bytes", "8388608"), newShop(rows, 1, 2)
	cl, err := newProducer(e.brokers, kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	s.cl = cl
	r := rand.NewChaCha8([32]byte{1})
	want := map[string]string{}
	for id := range 6 {
		s.write(t, table.fill(10*id+10, 10*id+15)...)
		noise := make([]byte, size)
		if _, err := r.Read(noise); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf(`{"id":%d}`, id)
		want[key] = fmt.Sprintf(`{"id":%d,"item":%q,"n":1}`, id, base64.StdEncoding.EncodeToString(noise))
		s.write(t, message{partition: int32(id % 2), key: []byte(key), value: []byte(want[key]), changes: true})
	}
	for key, value := range table.table() {
		want[key] = value
	}
	b := e.reads(t, rows, "", s.topic)
	b.kafka = `, topics: {partitions: 3, config: [{name: max.message.bytes, value: "8388608"}]}`
	d := b.running(t)
	b.holds(t, want, s)
	peak, err := d.PeakMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d MiB", peak>>20)
}

// TestLargeLessons has a table that shows itself in large records, one column after the other. What is kept of them for the next start
// fits into the state topic, and the next start knows the table.
func TestLargeLessons(t *testing.T) {
	t.Parallel()
	const size = 180 << 10
	e := modern.get(t)
	s := e.newSource(t, unique(t)+".in.orders", 1)
	r := rand.NewChaCha8([32]byte{2})
	want := map[string]string{}
	more := func(id int) {
		noise := make([]byte, size)
		if _, err := r.Read(noise); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf(`{"id":%d}`, id)
		want[key] = fmt.Sprintf(`{"id":%d,"c%d":%q}`, id, id, base64.StdEncoding.EncodeToString(noise))
		s.write(t, message{key: []byte(key), value: []byte(want[key]), changes: true})
	}
	for id := range 8 {
		more(id)
	}
	b := e.reads(t, rows, "", s.topic)
	d := b.running(t)
	b.came(t, s)
	d.Kill()
	delete(want, `{"id":3}`)
	s.write(t, message{key: []byte(`{"id":3}`), changes: true})
	more(8)
	b.running(t)
	got := folded(b.madeOf(t, nil, s.changes))
	for key := range got {
		got[key] = withoutNulls(t, got[key])
	}
	if err := same("key", got, want); err != nil {
		t.Error(err)
	}
}

// withoutNulls is a row without the columns that it does not have: which those are depends on what is known of the table by then.
func withoutNulls(t *testing.T, row string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &fields); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(fields, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
