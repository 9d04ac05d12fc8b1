package upsertsink

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// detour takes one request off its way: the client sees a broken connection, and the request reaches the broker when the test
// wants.
type detour struct {
	mu      sync.Mutex
	waiting bool
	api     uint16 // the next request of this API is taken
	taken   []byte
	address string
	taking  func() // called when it is taken; may be nil
}

func (d *detour) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &detoured{Conn: c, d: d, address: address}, nil
}

func (d *detour) take(api uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting, d.api, d.taken = true, api, nil
}

// arrive sends the taken request and returns the body of its answer.
func (d *detour) arrive(t *testing.T) []byte {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken == nil {
		t.Fatal("no request was taken")
	}
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(d.taken); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

type detoured struct {
	net.Conn
	d       *detour
	address string
}

// Write takes the request that is waited for.
func (c *detoured) Write(b []byte) (int, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	if !c.d.waiting || len(b) < 8 || binary.BigEndian.Uint16(b[4:]) != c.d.api || int(binary.BigEndian.Uint32(b)) != len(b)-4 {
		return c.Conn.Write(b)
	}
	c.d.waiting, c.d.taken, c.d.address = false, append([]byte(nil), b...), c.address
	_ = c.Close()
	if c.d.taking != nil {
		c.d.taking()
	}
	return len(b), errors.New("taken by the test")
}

// detoured opens a pipeline whose requests can be taken off their way.
func (p *pipeline) detoured(t *testing.T) (*run, *detour) {
	t.Helper()
	d := &detour{}
	p.wire.Dial = d.dial
	return p.mustOpen(t, "a"), d
}

// mustOutlive goes on to n rows after a late copy. One that came between two transactions may have opened a transaction that is
// not ours: raising the epoch ends it, and Kafka answers that as it answers a fenced producer. Opening again heals it.
func (r *run) mustOutlive(t *testing.T, n int) {
	t.Helper()
	if err := r.writeAndCommit(t.Context(), 5); fault.IsFinal(err) {
		t.Fatal(err)
	}
	if err := r.resume(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	r.mustHold(t, n)
}

const (
	apiProduce       = 0
	apiAddPartitions = 24
	apiEndTxn        = 26
)

// testLateEndTxn delays the first copy of a commit past its repetition, into the next transaction, which it must not touch.
func (e *env) testLateEndTxn(t *testing.T) {
	p := e.pipeline(t)
	r, d := p.detoured(t)
	r.mustWrite(t, 5)
	d.take(apiEndTxn)
	r.mustCommit(t)
	p.mustHold(t, 5)
	r.mustWrite(t, 5) // open
	answer := d.arrive(t)
	if code := binary.BigEndian.Uint16(answer[9:]); code == 0 { // after correlation id, tags and throttle time
		t.Errorf("the broker carried out the late EndTxn: % x", answer)
	}
	time.Sleep(200 * time.Millisecond)
	p.mustHold(t, 5)
	r.mustWrite(t, 5)
	r.mustCommit(t)
	p.mustHold(t, 15)
}

// testLateCopies does the same with the first copies of a Produce and, in the classic protocol, of an AddPartitions: the rows
// are there once, and no transaction stays open.
func (e *env) testLateCopies(t *testing.T) {
	for _, api := range e.writingAPIs() {
		p := e.pipeline(t)
		r, d := p.detoured(t)
		d.take(api)
		r.mustWrite(t, 5)
		r.mustCommit(t)
		r.mustWrite(t, 5)
		d.arrive(t) // in the middle of the next transaction
		r.mustCommit(t)
		p.mustHold(t, 10)
		r.mustWrite(t, 5)
		r.mustCommit(t)
		p.mustHold(t, 15)

		d.take(api)
		r.mustWrite(t, 5)
		r.mustCommit(t)
		p.mustHold(t, 20)
		d.arrive(t) // between two transactions
		r.mustOutlive(t, 25)
	}
}

func (e *env) writingAPIs() []uint16 {
	if e.proto == kw.Classic {
		return []uint16{apiProduce, apiAddPartitions}
	}
	return []uint16{apiProduce}
}
