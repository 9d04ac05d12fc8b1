package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// watcher prints the records of the demo's topics as a read_committed consumer gets them.
type watcher struct {
	cl      *kgo.Client
	named   func(txn string) string // what people call a transaction
	color   bool
	last    string       // transaction of the last line
	seen    atomic.Int64 // records; the other numbers are run's until it has ended
	counts  map[string]int
	waiting []time.Duration // from commit in the database until here
}

func newWatcher(brokers []string, named func(string) string) (*watcher, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeRegex(), kgo.ConsumeTopics(`^demo\.shop\..*`),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &watcher{cl: cl, named: named, color: terminal && os.Getenv("NO_COLOR") == "", counts: map[string]int{}}, nil
}

// run prints until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	defer w.cl.Close()
	for {
		fetches := w.cl.PollFetches(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		records := fetches.Records()
		slices.SortStableFunc(records, inLogOrder)
		for _, r := range records {
			if err := w.print(r, now); err != nil {
				return fmt.Errorf("reading %s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			w.seen.Add(1)
		}
	}
}

// inLogOrder sorts what one poll gave, which has the partitions one after the other, as the database wrote it.
func inLogOrder(a, b *kgo.Record) int {
	if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
		return c
	}
	for _, name := range []string{"cdc.txn", "cdc.ord"} {
		x, y := header(a, name), header(b, name)
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 { // numbers, and texts that end in one
			return c
		}
	}
	// A key change is a delete, a tombstone and an insert, of which the first two may be in another partition.
	return strings.Index("dxcu", header(a, "cdc.op")) - strings.Index("dxcu", header(b, "cdc.op"))
}

// await returns when total records have been printed.
func (w *watcher) await(ctx context.Context, total int) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for w.seen.Load() < int64(total) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records have been seen: %w", w.seen.Load(), total, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// envelope is what the demo reads of a debezium-json message.
type envelope struct {
	Op            string
	Before, After object
}

// object is a JSON object in its own order.
type object []member

type member struct{ name, value string }

// UnmarshalJSON keeps the order of the members, and their values as people read them.
func (o *object) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		value := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &value); err != nil {
				return err
			}
		}
		*o = append(*o, member{fmt.Sprint(name), value})
	}
	return nil
}

func (w *watcher) print(r *kgo.Record, now time.Time) error {
	var key object
	if err := json.Unmarshal(r.Key, &key); err != nil {
		return err
	}
	sign, color, text := "x", "90", "tombstone"
	if r.Value != nil {
		var e envelope
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return err
		}
		switch e.Op {
		case "c", "r":
			sign, color, text = "+", "32", join(e.After, key)
		case "u":
			sign, color, text = "~", "33", difference(e.Before, e.After, key)
		case "d":
			sign, color, text = "-", "31", join(e.Before.known(), key)
		default:
			return fmt.Errorf("unknown operation %q", e.Op)
		}
	}
	w.counts[sign]++
	waited := now.Sub(r.Timestamp)
	w.waiting = append(w.waiting, waited)
	if txn := header(r, "cdc.txn"); txn != w.last {
		w.last = txn
		w.line("90", fmt.Sprintf("%s  transaction %s, readable %d ms after its commit", r.Timestamp.Format("15:04:05.000"), w.named(txn), waited.Milliseconds()))
	}
	table := r.Topic[strings.LastIndexByte(r.Topic, '.')+1:]
	w.line(color, fmt.Sprintf("  %s %-11s %-22s %s", sign, table, join(key, nil), text))
	return nil
}

func (w *watcher) line(color, text string) {
	if w.color {
		text = "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	fmt.Println(text)
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// known leaves out what is null, as in the old row of which the log has the key only.
func (o object) known() object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.value == "null" })
}

// join renders members but those of the key, which stands in front already.
func join(o, key object) string {
	var parts []string
	for _, m := range o {
		if !slices.ContainsFunc(key, func(k member) bool { return k.name == m.name }) {
			parts = append(parts, m.name+"="+m.value)
		}
	}
	return strings.Join(parts, " ")
}

// difference renders the members that an update has changed, or all but the key where the log did not have the old ones.
func difference(before, after, key object) string {
	old := map[string]string{}
	for _, m := range before {
		old[m.name] = m.value
	}
	if len(before) <= len(key) {
		return join(after, key)
	}
	var parts []string
	for _, m := range after {
		if was, ok := old[m.name]; !ok || was != m.value {
			parts = append(parts, m.name+": "+was+" → "+m.value)
		}
	}
	return strings.Join(parts, ", ")
}

// summary tells what was seen. It is called after run.
func (w *watcher) summary(transactions int) {
	slices.Sort(w.waiting)
	median := time.Duration(0)
	if n := len(w.waiting); n > 0 {
		median = w.waiting[n/2]
	}
	fmt.Printf("\n%d transactions written; seen: %d inserts, %d updates, %d deletes, %d tombstones; half of the records were readable within %d ms.\n",
		transactions, w.counts["+"], w.counts["~"], w.counts["-"], w.counts["x"], median.Milliseconds())
}
