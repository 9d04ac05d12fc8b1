package upsertsink

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// observe calls f with the name of each call before it leaves: "Produce v12 to broker 1".
func observe(cfg kw.Config, f func(call string)) kw.Config {
	cfg.Wrap = func(rt kafka.RoundTripper) kafka.RoundTripper { return observed{rt, f} }
	return cfg
}

// callLog holds the kinds of calls in their order.
type callLog struct {
	mu    sync.Mutex
	calls []string
}

func (l *callLog) add(call string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, strings.Fields(call)[0])
}

// take gives the calls since the last take.
func (l *callLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

type observed struct {
	rt kafka.RoundTripper
	f  func(string)
}

// RoundTrip tells of the call and makes it.
func (o observed) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	o.f(kw.Describe(req))
	return o.rt.RoundTrip(ctx, addr, req)
}

// testStartIsClaimed opens without writing: rows are refused before the claim, and the start of the claim is never resolved
// anew, although no row followed it.
func (e *env) testStartIsClaimed(t *testing.T) {
	p := e.pipeline(t)
	sink := p.newSink("a")
	defer sink.Close(context.Background())
	cp, err := sink.Open(t.Context())
	if err != nil || cp.Pos != "" {
		t.Fatalf("a new pipeline begins at %q: %v", cp.Pos, err)
	}
	topic, err := sink.Topic(t.Context(), p.topic, &p.output)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{pipeline: p, sink: sink, topic: topic}
	wantFault(t, r.write(t.Context(), 1), fault.Internal, true)
	wantFault(t, r.commit(t.Context()), fault.Internal, true)
	wantFault(t, sink.Claim(t.Context(), changelog.Checkpoint{}), fault.Internal, true)
	if err := sink.Claim(t.Context(), changelog.Checkpoint{Pos: "17"}); err != nil {
		t.Fatal(err)
	}
	next := p.newSink("b")
	defer next.Close(context.Background())
	if cp, err = next.Open(t.Context()); err != nil || cp.Pos != "17" {
		t.Errorf("after a claim at 17 the pipeline begins at %q: %v", cp.Pos, err)
	}
	p.mustHold(t, 0)
}

// testCommitsUntilTheTakeover lets the old writer commit at the last moment at which it can: the new one finds that commit,
// because it reads the state after it has taken the id over.
func (e *env) testCommitsUntilTheTakeover(t *testing.T) {
	p := e.pipeline(t)
	old := p.mustOpen(t, "a")
	old.mustWrite(t, 5)
	q := *p
	var last sync.Once
	q.wire = observe(q.wire, func(call string) {
		if strings.HasPrefix(call, "InitProducerId ") {
			last.Do(func() { old.mustCommit(t) })
		}
	})
	r := q.mustOpen(t, "b")
	if r.next != 5 {
		t.Fatalf("the new writer begins at %d and the old one had committed 5", r.next)
	}
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 10)
}

// testUnsureZombie has a commit repeated, after which the classic protocol raises its epoch before it goes on. Somebody else
// has taken the pipeline over meanwhile: the epoch is raised with the old id, and so is refused.
func (e *env) testUnsureZombie(t *testing.T) {
	p := e.pipeline(t)
	zombie := *p
	d := &detour{}
	zombie.wire.Dial = d.dial
	a := zombie.mustOpen(t, "a")
	a.mustWrite(t, 5)
	d.take(apiEndTxn)
	a.mustCommit(t)
	b := p.mustOpen(t, "b")
	b.mustWrite(t, 5)
	b.mustCommit(t)
	p.mustHold(t, 10) // all markers are there: nothing else can keep a from writing
	wantFault(t, a.write(t.Context(), 5), fault.Fenced, true)
	b.mustWrite(t, 5)
	b.mustCommit(t)
	p.mustHold(t, 15)
}

// testJoinsBeforeItWrites looks at the order of the calls. The coordinator is asked whether the last transaction is complete,
// and then its broker for the leaders, before anything else. Classic: no Produce before AddPartitionsToTxn. KIP-890: Produce
// adds its partitions.
func (e *env) testJoinsBeforeItWrites(t *testing.T) {
	p := e.pipeline(t)
	var log callLog
	p.wire = observe(p.wire, log.add)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 1)
	r.mustCommit(t)
	for i := range 20 {
		log.take()
		r.mustWrite(t, 7)
		r.mustCommit(t)
		all := log.take()
		calls := slices.Compact(slices.Clone(all)) // some are repeated
		want := []string{"DescribeTransactions", "Metadata", "Produce"}
		if e.proto == kw.Classic {
			want = []string{"DescribeTransactions", "Metadata", "AddPartitionsToTxn", "Produce"}
		}
		if len(calls) < len(want) || !slices.Equal(calls[:len(want)], want) || calls[len(calls)-1] != "EndTxn" ||
			e.proto == kw.KIP890 && slices.Contains(calls, "AddPartitionsToTxn") {
			t.Fatalf("transaction %d makes the calls %v", i, all)
		}
	}
	p.mustHold(t, 141)
}

// testSequencesRunOn writes many transactions without another epoch, or with one each: the sink's sequence numbers are those
// that the broker expects, in any number of batches a transaction.
func (e *env) testSequencesRunOn(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Partitions = 2
	r := p.mustOpen(t, "a")
	rows := 0
	for i := range 12 {
		for range 1 + i%4 {
			r.mustWrite(t, 1+i)
			rows += 1 + i
		}
		r.mustCommit(t)
	}
	if n := r.sink.Stats().Repeated; n > 12 {
		t.Errorf("%d calls were repeated", n)
	}
	p.mustHold(t, rows)
}

// testOneCallAddsAll writes to partitions of three leaders: one AddPartitionsToTxn for all of them, the state's too, comes
// before the first Produce of each transaction, and none after it.
func (e *env) testOneCallAddsAll(t *testing.T) {
	p := e.pipeline(t)
	p.output.Settings.Partitions = 6
	var log callLog
	p.wire = observe(p.wire, log.add)
	r := p.mustOpen(t, "a")
	r.mustWrite(t, 14)
	r.mustCommit(t)
	rows := 14
	for i := range 10 {
		log.take()
		r.mustWrite(t, 14)
		r.mustCommit(t)
		rows += 14
		calls := log.take()
		first, last := slices.Index(calls, "Produce"), len(calls)-1
		for last > 0 && calls[last] != "AddPartitionsToTxn" {
			last--
		}
		if first < 0 || calls[last] != "AddPartitionsToTxn" || last > first { // several when the markers were not written yet
			t.Errorf("transaction %d makes the calls %v", i, calls)
		}
	}
	p.mustHold(t, rows)
}
