package upsertsink

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
	"cdcbridge/upsert"
)

const asked = "request/"

// tail follows a sink's requests until the test ends.
type tail struct {
	given chan changelog.State
	end   func() error
}

func (r *run) tail(t *testing.T) *tail {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	f := &tail{given: make(chan changelog.State, 100)}
	go func() {
		done <- r.sink.Tail(ctx, 50*time.Millisecond, []string{asked}, func(e changelog.State) { f.given <- e })
	}()
	f.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = f.end() })
	return f
}

// await takes the entries that come, which must be these.
func (f *tail) await(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for range want {
		select {
		case e := <-f.given:
			got = append(got, e.Key+"="+string(e.Value))
		case <-time.After(time.Minute):
			t.Fatalf("only %q came, want %q", got, want)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q came, want %q", got, want)
	}
}

func (p *pipeline) put(t *testing.T, key, value string) {
	t.Helper()
	if err := upsert.PutEntry(t.Context(), p.wire, p.cfg, p.name, changelog.State{Key: key, Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

func (r *run) mustRemove(t *testing.T, keys ...string) {
	t.Helper()
	cp := changelog.Checkpoint{}
	for _, k := range keys {
		cp.State = append(cp.State, changelog.State{Key: k})
	}
	if _, err := r.sink.Commit(t.Context(), cp, nil); err != nil {
		t.Fatal(err)
	}
}

// mustKeep opens another attempt, which must find these entries in its checkpoint.
func (p *pipeline) mustKeep(t *testing.T, instance string, want ...string) *run {
	t.Helper()
	r := &run{pipeline: p, sink: p.newSink(instance)}
	t.Cleanup(func() { r.close() })
	cp, err := r.sink.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range cp.State {
		got = append(got, e.Key+"="+string(e.Value))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the checkpoint has %q, want %q", got, want)
	}
	if err := r.sink.Claim(t.Context(), changelog.Checkpoint{Pos: cp.Pos}); err != nil {
		t.Fatal(err)
	}
	return r
}

// testRequests writes entries into the state of a pipeline while it runs and while it does not, in the middle of its
// transactions: each arrives once, in order, and goes for good when the pipeline removes it.
func (e *env) testRequests(t *testing.T) {
	p := e.pipeline(t)
	put := func(pipeline string) error {
		return upsert.PutEntry(t.Context(), p.wire, p.cfg, pipeline, changelog.State{Key: asked + "0", Value: []byte("x")})
	}
	wantFault(t, put(p.name), fault.StateMissing, true) // there is no state topic
	r := p.mustOpen(t, "a")
	wantFault(t, put(p.name+"-typo"), fault.StateMissing, true)

	f := r.tail(t)
	r.mustWrite(t, 3) // leaves a transaction open, which must not hide them
	p.put(t, asked+"1", `{"v":1}`)
	f.await(t, asked+`1={"v":1}`)
	p.put(t, "snapshot/shop.orders", "no request")
	p.put(t, asked+"3", "b")
	p.put(t, asked+"2", "c\xff")
	f.await(t, asked+"3=b", asked+"2=c\xff")
	r.mustCommit(t)
	r.mustRemove(t, asked+"3")
	p.put(t, asked+"3", "again")
	f.await(t, asked+"3=again")
	r.mustRemove(t, asked+"1")
	if err := f.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if len(f.given) > 0 {
		t.Errorf("%d entries came twice", len(f.given))
	}

	// What is there at the open is in the checkpoint and nowhere else.
	p.put(t, asked+"4", "while stopped")
	next := p.mustKeep(t, "b", asked+"2=c\xff", asked+"3=again", asked+"4=while stopped", "snapshot/shop.orders=no request")
	g := next.tail(t)
	removed := make(chan error, 1)
	go func() {
		removed <- upsert.AwaitRemoval(t.Context(), p.wire, p.cfg, upsert.EntryAt{Pipeline: p.name, Key: asked + "4", Every: 20 * time.Millisecond})
	}()
	select {
	case err := <-removed:
		t.Fatalf("%s is there, and was reported as removed: %v", asked+"4", err)
	case <-time.After(300 * time.Millisecond):
	}
	next.mustRemove(t, asked+"2", asked+"3", asked+"4")
	if err := <-removed; err != nil {
		t.Error(err)
	}
	p.put(t, asked+"5", "new")
	g.await(t, asked+"5=new")
	if err := g.end(); len(g.given) > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d entries came twice, ended with %v", len(g.given), err)
	}
	p.mustKeep(t, "c", asked+"5=new", "snapshot/shop.orders=no request")
	p.mustHold(t, 3)
}

// TestRequestsOutliveABroker kills the only broker under a sink that is followed, and starts it again: what is written then
// arrives, nothing comes twice, and the log has said once that something is wrong.
func TestRequestsOutliveABroker(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Extra: map[string]string{"broker.session.timeout.ms": "3000"}})
	e := &env{kafka: k, brokers: k.Brokers(), proto: kw.KIP890}
	p := e.pipeline(t)
	p.wire.RequestTimeout = 2 * time.Second
	first := p.mustOpen(t, "a")
	first.mustCommit(t)
	var log logText
	r := &run{pipeline: p, sink: upsert.NewSink(p.wire, p.cfg, upsert.Identity{Pipeline: p.name, Instance: "b"}, slog.New(slog.NewTextHandler(&log, nil)))}
	defer r.close()
	if _, err := r.sink.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := r.tail(t)
	p.put(t, asked+"1", "before")
	f.await(t, asked+"1=before")
	if err := k.KillBroker(0); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), "requests cannot be read"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was noticed")
		}
	}
	if err := k.StartBroker(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	p.put(t, asked+"2", "after")
	f.await(t, asked+"2=after")
	if n := strings.Count(log.String(), "requests cannot be read"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, log.String())
	}
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes a line.
func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String gives them all.
func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
