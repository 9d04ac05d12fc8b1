package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// link is one connection through a KafkaProxy: one goroutine reads what the client says, one what the broker says. The side
// of the broker outlives that of the client while a request of the link is held back.
type link struct {
	proxy          *KafkaProxy
	client, broker net.Conn

	mu      sync.Mutex
	pending map[int32]passage // requests without answer, by correlation id
	held    int               // requests that are held back
	gone    bool              // the client's side has ended
}

// passage says what to do with an answer.
type passage struct {
	key  kmsg.Key
	rule *Meddling // nil: pass it on
	req  kmsg.Request
	late chan []byte // of a late request, whose answer goes here
}

func (l *link) run() {
	defer func() {
		l.cut()
		l.proxy.mu.Lock()
		delete(l.proxy.links, l)
		l.proxy.mu.Unlock()
	}()
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		l.answers()
	}()
	l.requests()
	l.mu.Lock()
	l.gone = true
	waits := l.held > 0
	l.mu.Unlock()
	_ = l.client.Close()
	if !waits {
		_ = l.broker.Close()
	}
	<-answers
}

// cut ends both sides at once.
func (l *link) cut() {
	_ = l.client.Close()
	_ = l.broker.Close()
}

// requests passes on what the client says until its side ends.
func (l *link) requests() {
	for {
		frame, err := readFrame(l.client)
		if err != nil {
			return
		}
		f := requestFrame(frame)
		if len(f) < 14 {
			return
		}
		m, req, err := l.proxy.pick(l, f)
		if err != nil {
			return
		}
		if goesOn := l.treat(m, req, f); !goesOn {
			return
		}
	}
}

// treat does with a request what its rule says. It reports false when the client's side is to end.
func (l *link) treat(m *Meddling, req kmsg.Request, f requestFrame) bool {
	p := passage{key: f.key(), rule: m, req: req}
	if m != nil {
		switch m.rule.Fate {
		case Withhold, WithholdSilently:
			l.mu.Lock()
			l.held++
			l.mu.Unlock()
			return m.rule.Fate == WithholdSilently
		case Refuse:
			resp := req.ResponseKind()
			m.rule.Change(req, resp)
			_, err := l.client.Write(answerFrame(f.correlation(), resp))
			return err == nil
		case LoseAnswer, Alter:
		}
	}
	return l.pass(f, p) == nil
}

// pass sends a request to the broker and remembers what its answer is for.
func (l *link) pass(f requestFrame, p passage) error {
	l.mu.Lock()
	l.pending[f.correlation()] = p
	l.mu.Unlock()
	_, err := l.broker.Write(f)
	return err
}

// answers passes on what the broker says until its side ends, which ends the client's side too.
func (l *link) answers() {
	defer l.client.Close()
	for {
		answer, err := readFrame(l.broker)
		if err != nil {
			return
		}
		l.mu.Lock()
		p, known := l.pending[correlationOf(answer)]
		delete(l.pending, correlationOf(answer))
		l.mu.Unlock()
		if !known {
			return // no broker does that
		}
		l.proxy.note(p.key)
		if p.late != nil {
			p.late <- answer
			continue
		}
		if err := l.reply(p, answer); err != nil {
			return
		}
	}
}

var errLost = errors.New("the answer is lost")

// reply gives the client an answer, altered if a rule says so.
func (l *link) reply(p passage, answer []byte) error {
	if p.rule != nil {
		if p.rule.rule.Fate == LoseAnswer {
			return errLost
		}
		resp, err := parseAnswer(p.req, answer)
		if err != nil {
			return err
		}
		p.rule.rule.Change(p.req, resp)
		answer = answerFrame(correlationOf(answer), resp)
	}
	_, err := l.client.Write(answer)
	return err
}

// deliver sends a request that was held back and waits for its answer.
func (h *heldRequest) deliver(ctx context.Context) (kmsg.Response, error) {
	l := h.link
	late := make(chan []byte, 1)
	defer l.delivered()
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	if err := l.pass(h.frame, passage{key: h.frame.key(), late: late}); err != nil {
		return nil, err
	}
	select {
	case answer := <-late:
		return parseAnswer(h.req, answer)
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

// delivered ends the broker's side after the last late request, when the client has gone.
func (l *link) delivered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
	if l.held == 0 && l.gone {
		_ = l.broker.Close()
	}
}
