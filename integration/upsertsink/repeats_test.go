package upsertsink

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestAtLeastOnce writes rows outside of transactions: what a crash repeats begins at the checkpoint, and nothing of an earlier
// attempt comes behind it.
func TestAtLeastOnce(t *testing.T) {
	for _, kind := range kinds {
		if kind.name == "Classic" && !harness.Long {
			continue // an older Kafka speaks it too
		}
		t.Run(kind.name, func(t *testing.T) {
			k := servers.KafkaFor(t, kind.options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto}
			t.Run("Group", func(t *testing.T) {
				for name, test := range map[string]func(*testing.T){
					"ReadableAtOnce": e.testReadableAtOnce, "Replayed": e.testReplayed, "LateRequest": e.testLateRequest, "LateCopy": e.testLateCopy,
					"FrozenWriter": e.testFrozenWriter, "Switched": e.testSwitched, "Truncation": e.testRepeatedTruncation,
				} {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						test(t)
					})
				}
			})
		})
	}
}

// TestEveryCallFailsAtLeastOnce is TestEveryCallFails for rows outside of transactions: none is lost, and those of a key are in order
// but for repetitions. It takes every fifth call, all of them with CDCBRIDGE_LONG set.
func TestEveryCallFailsAtLeastOnce(t *testing.T) {
	for _, kind := range []int{0, 2} {
		kind := kinds[kind]
		t.Run(kind.name, func(t *testing.T) {
			k := servers.KafkaFor(t, kind.options)
			e := &env{kafka: k, brokers: k.Brokers(), proto: kind.proto, repeats: true}
			e.failEveryCall(t, harness.Longer(int64(5), 1))
		})
	}
}

func (e *env) repeating(t *testing.T) *pipeline {
	p := e.pipeline(t)
	p.cfg.AtLeastOnce = true
	return p
}

// checkRepeats verifies that the topic has the rows 0 to n-1, and that each key begins with its first row, ends with its last one, and
// leaves none out on the way, also where rows come again.
func checkRepeats(records []harness.Record, n int) error {
	last := map[string]int{}
	for _, r := range records {
		row, err := strconv.Atoi(string(r.Value))
		if err != nil {
			return err
		}
		before, ok := last[string(r.Key)]
		if !ok {
			before = row%keys - keys
		}
		if row > before+keys {
			return fmt.Errorf("key %s: row %d after row %d", r.Key, row, before)
		}
		last[string(r.Key)] = row
	}
	for row := max(0, n-keys); row < n; row++ {
		key := "k" + strconv.Itoa(row%keys)
		if got, ok := last[key]; !ok || got != row {
			return fmt.Errorf("key %s ends with row %d, not %d", key, got, row)
		}
	}
	if most := min(n, keys); len(last) != most {
		return fmt.Errorf("%d keys, want %d", len(last), most)
	}
	return nil
}

// rows counts the records of the topic.
func (p *pipeline) rows(t *testing.T) int {
	t.Helper()
	records, err := harness.ReadTopic(t.Context(), p.brokers, p.topic)
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

// testReadableAtOnce: no transaction holds rows back, and without a failure each row is there once.
func (e *env) testReadableAtOnce(t *testing.T) {
	p := e.repeating(t)
	findings, err := p.newSink("check").Check(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(findings, func(f capture.Finding) bool { return f.Subject == "delivery" && f.Severity == capture.OK }) {
		t.Errorf("the check does not tell of the delivery: %+v, %v", findings, err)
	}
	r := p.mustOpen(t, "a")
	for n := 6; n <= 120; n += 6 {
		r.mustWrite(t, 5)
		r.mustWrite(t, 1)
		if !r.sink.OpenSince().IsZero() {
			t.Fatal("a transaction is open")
		}
		if got := p.rows(t); got != n {
			t.Fatalf("%d of %d rows are readable before the commit", got, n)
		}
		r.mustCommit(t)
	}
	if err := p.checkOnce(120); err != nil {
		t.Error(err)
	}
}

// testReplayed drops sinks at every stage, the first one before it has ever committed a checkpoint behind the claim.
func (e *env) testReplayed(t *testing.T) {
	p := e.repeating(t)
	committed, written := 0, 0
	for i := range 6 {
		r := p.mustOpen(t, "i"+strconv.Itoa(i))
		if r.next != committed {
			t.Fatalf("attempt %d starts at %d, want %d", i, r.next, committed)
		}
		r.mustWrite(t, 10)
		written += 10
		if i%3 != 0 {
			r.mustCommit(t)
			committed = r.next
			r.mustWrite(t, 3)
			written += 3
		}
	}
	if got := p.rows(t); got != written {
		t.Errorf("%d records, want %d", got, written)
	}
	r := p.mustOpen(t, "last")
	r.mustWrite(t, 10)
	r.mustCommit(t)
	p.mustHold(t, r.next)
}

// testLateRequest: what a dead attempt has sent reaches the broker before or after the next attempt writes. It never comes behind newer
// rows.
func (e *env) testLateRequest(t *testing.T) {
	for _, before := range []bool{true, false} {
		p := e.repeating(t)
		r, d := p.detoured(t)
		r.mustWrite(t, 14)
		r.mustCommit(t)
		ctx, cancel := context.WithCancel(t.Context())
		d.take(apiProduce)
		d.taking = cancel // it dies with the request on its way
		if err := r.write(ctx, 7); err == nil {
			t.Fatal("the write was answered")
		}
		r.close()
		p.wire.Dial = nil
		next := p.mustOpen(t, "b")
		if before {
			if codes := e.produceCodes(t, d.arrive(t)); codes[0] != kw.OK {
				t.Errorf("before the new attempt has written: %v", codes)
			}
		}
		next.mustWrite(t, 21)
		next.mustCommit(t)
		rows := p.rows(t)
		if !before {
			for _, code := range e.produceCodes(t, d.arrive(t)) {
				if code != kw.InvalidProducerEpoch {
					t.Errorf("the late request is answered with %v", code)
				}
			}
			if got := p.rows(t); got != rows {
				t.Errorf("%d records became %d by the late request", rows, got)
			}
		}
		p.mustHold(t, 35)
	}
}

// produceCodes are those of the partitions in an answer to Produce.
func (e *env) produceCodes(t *testing.T, answer []byte) (codes []kw.Code) {
	t.Helper()
	res, body := kmsg.NewPtrProduceResponse(), answer[4:]
	if res.Version = 8; e.proto == kw.KIP890 {
		res.Version, body = 12, body[1:]
	}
	if err := res.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	for _, topic := range res.Topics {
		for _, part := range topic.Partitions {
			codes = append(codes, kw.Code(part.ErrorCode))
		}
	}
	if len(codes) == 0 {
		t.Fatal("the answer is about no partition")
	}
	return codes
}

// testLateCopy: the first copy of a request comes after the one that was answered, before and behind the next checkpoint. The broker
// knows it.
func (e *env) testLateCopy(t *testing.T) {
	for _, behind := range []bool{false, true} {
		p := e.repeating(t)
		r, d := p.detoured(t)
		r.mustWrite(t, 7)
		d.take(apiProduce)
		r.mustWrite(t, 7)
		if behind {
			r.mustCommit(t)
			r.mustWrite(t, 7)
		}
		d.arrive(t)
		r.mustWrite(t, 7)
		r.mustCommit(t)
		if err := p.checkOnce(r.next); err != nil {
			t.Error(err)
		}
	}
}

// testFrozenWriter is a daemon that does not know that it was replaced: what it still writes comes again, and where the new one has
// written it is refused.
func (e *env) testFrozenWriter(t *testing.T) {
	p := e.repeating(t)
	a := p.mustOpen(t, "a")
	a.mustWrite(t, 14)
	a.mustCommit(t)
	b := p.mustOpen(t, "b")
	a.mustWrite(t, 7)
	b.mustWrite(t, 14)
	wantFault(t, a.write(t.Context(), 7), fault.Fenced, true)
	b.mustCommit(t)
	p.mustHold(t, 28)

	b.mustWrite(t, 7)
	c := p.mustOpen(t, "c")
	wantFault(t, b.commit(t.Context()), fault.Fenced, true)
	c.mustWrite(t, 7)
	c.mustCommit(t)
	p.mustHold(t, 35)
}

// testSwitched changes the delivery at each start, after crashes with a transaction open and with rows outside of one.
func (e *env) testSwitched(t *testing.T) {
	p := e.pipeline(t)
	committed := 0
	for i := range 7 {
		p.cfg.AtLeastOnce = i%2 == 1
		r := p.mustOpen(t, "i"+strconv.Itoa(i))
		if r.next != committed {
			t.Fatalf("attempt %d starts at %d, want %d", i, r.next, committed)
		}
		r.mustWrite(t, 7)
		r.mustCommit(t)
		committed = r.next
		r.mustWrite(t, 3)
	}
	p.cfg.AtLeastOnce = true
	r := p.mustOpen(t, "last")
	r.mustWrite(t, 7)
	r.mustCommit(t)
	p.mustHold(t, r.next)
}

// testRepeatedTruncation: after a crash a truncation ends the keys that are left, and those that were inserted behind it and come again.
func (e *env) testRepeatedTruncation(t *testing.T) {
	p := e.repeating(t)
	w := p.writer(t, "a", nil)
	one, two := shard(0, "shop1"), shard(1, "shop2")
	w.mustGive(t, batch(one, changelog.Insert, 0, 300))
	w.mustGive(t, batch(two, changelog.Insert, 0, 300))
	w.mustCommit(t, "1")
	for _, instance := range []string{"b", "c"} {
		w.mustGive(t, truncation(one))
		w.mustGive(t, batch(one, changelog.Insert, 100, 110)) // and dies before its checkpoint
		w.close()
		w = p.writer(t, instance, nil)
	}
	list, err := w.planner.Truncations(t.Context(), truncation(one), 1)
	if err != nil {
		t.Fatal(err)
	}
	began, err := w.sink.Truncate(t.Context(), list)
	if err != nil || began.IsZero() {
		t.Fatalf("%v, began at %v", err, began)
	}
	if _, err := w.sink.Truncate(t.Context(), list); !fault.Is(err, fault.Internal) {
		t.Errorf("with rows that no commit covers: %v", err)
	}
	w.mustGive(t, batch(one, changelog.Insert, 100, 110))
	w.mustCommit(t, "2")
	ended, live := p.ends(t, "shop1")
	for id := range 300 {
		want := 1
		if id >= 100 && id < 110 {
			want = 3
		}
		if ended[id] != want || live[id] != (want == 3) {
			t.Errorf("row %d has %d tombstones, not %d; live %v", id, ended[id], want, live[id])
		}
	}
	if _, live := p.ends(t, "shop2"); len(live) != 300 {
		t.Errorf("the other shard has %d rows", len(live))
	}
}
