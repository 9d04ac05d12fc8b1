package servers

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// scribe is a broker that notes what arrives and answers everything with the empty answer.
type scribe struct {
	mu      sync.Mutex
	arrived []string // transactional ids
}

func (s *scribe) serve(conn net.Conn) {
	for {
		frame, err := readFrame(conn)
		if err != nil {
			return
		}
		f := requestFrame(frame)
		req, err := f.parse()
		if err != nil {
			return
		}
		if end, ok := req.(*kmsg.EndTxnRequest); ok {
			s.mu.Lock()
			s.arrived = append(s.arrived, end.TransactionalID)
			s.mu.Unlock()
		}
		if _, err := conn.Write(answerFrame(f.correlation(), req.ResponseKind())); err != nil {
			return
		}
	}
}

func (s *scribe) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.arrived, " ")
}

// caller is one client connection.
type caller struct {
	t    *testing.T
	conn net.Conn
	last int32
}

func call(t *testing.T, p *KafkaProxy) *caller {
	t.Helper()
	return &caller{t: t, conn: dial(t, p.Addr())}
}

// end sends an EndTxn and returns the code of its answer.
func (c *caller) end(id string, version int16, patience time.Duration) (int16, error) {
	c.t.Helper()
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID = id
	req.SetVersion(version)
	c.last++
	if _, err := c.conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("me")).AppendRequest(nil, req, c.last)); err != nil {
		return 0, err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	answer, err := readFrame(c.conn)
	if err != nil {
		return 0, err
	}
	if got := correlationOf(answer); got != c.last {
		c.t.Errorf("the answer is for request %d, not %d", got, c.last)
	}
	resp, err := parseAnswer(req, answer)
	if err != nil {
		return 0, err
	}
	return resp.(*kmsg.EndTxnResponse).ErrorCode, nil
}

func TestKafkaProxy(t *testing.T) {
	const patience = 10 * time.Second
	for _, version := range []int16{2, 5} { // the second one has tagged fields
		var s scribe
		p, err := StartKafkaProxy(listen(t, s.serve))
		if err != nil {
			t.Fatal(err)
		}
		ok := func(c *caller, id string) {
			t.Helper()
			if code, err := c.end(id, version, patience); err != nil || code != 0 {
				t.Fatalf("%s: code %d, %v", id, code, err)
			}
		}
		arrived := func(want string) {
			t.Helper()
			if got := s.seen(); got != want {
				t.Fatalf("arrived %q, want %q", got, want)
			}
		}
		c := call(t, p)
		ok(c, "a")

		held := p.Begin(KafkaRule{Key: kmsg.EndTxn, Skip: 1, Times: 1, Fate: Withhold})
		ok(c, "b")
		if _, err := c.end("c", version, patience); !errors.Is(err, io.EOF) {
			t.Fatalf("a withheld request: %v", err)
		}
		c = call(t, p)
		ok(c, "d")
		arrived("a b d")
		released(t, held, 1)
		arrived("a b d c")
		released(t, held, 0)

		silent := p.Begin(KafkaRule{Key: kmsg.EndTxn, Times: 1, Fate: WithholdSilently,
			Match: func(r kmsg.Request) bool { return r.(*kmsg.EndTxnRequest).TransactionalID == "f" }})
		ok(c, "e")
		if _, err := c.end("f", version, 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a withheld request: %v", err)
		}
		released(t, silent, 1)
		arrived("a b d c e f")

		p.Begin(KafkaRule{Key: kmsg.EndTxn, Times: 1, Fate: LoseAnswer})
		if _, err := c.end("g", version, patience); !errors.Is(err, io.EOF) {
			t.Fatalf("a lost answer: %v", err)
		}
		c = call(t, p)
		say := func(code int16) func(kmsg.Request, kmsg.Response) {
			return func(_ kmsg.Request, resp kmsg.Response) { resp.(*kmsg.EndTxnResponse).ErrorCode = code }
		}
		p.Begin(KafkaRule{Key: kmsg.EndTxn, Times: 1, Fate: Refuse, Change: say(47)})
		p.Begin(KafkaRule{Key: kmsg.EndTxn, Times: 1, Fate: Alter, Change: say(48)})
		for i, id := range []string{"h", "i"} {
			if code, err := c.end(id, version, patience); err != nil || code != int16(47+i) {
				t.Fatalf("%s: code %d, %v", id, code, err)
			}
		}
		ok(c, "j")
		arrived("a b d c e f g i j")
		if n := p.Answered(kmsg.EndTxn); n != 9 {
			t.Errorf("%d answers were counted", n)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func released(t *testing.T, m *Meddling, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Wait(ctx, min(want, 1)); err != nil {
		t.Fatal(err)
	}
	answers, err := m.Release(ctx)
	if err != nil || len(answers) != want {
		t.Fatalf("%d late answers: %v", len(answers), err)
	}
}
