package upsert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// repeat makes a call until it is carried out. It ends with an error when the verdict is hard or when ctx ends.
func (p *producer) repeat(ctx context.Context, call kafkawire.Call, op string, do func(context.Context) (kafkawire.Code, error)) error {
	var answered error
	for times := 0; ; times++ {
		attempt, cancel := context.WithTimeout(ctx, p.attemptTime())
		code, err := do(attempt)
		cancel()
		if err != nil {
			if fault.IsFinal(err) {
				return err
			}
			p.doubt(err)
			err = reason(ctx, answered, err)
		} else {
			verdict, _ := kafkawire.Judge(call, p.proto, code)
			if verdict == kafkawire.Done {
				return nil
			}
			err = kafkawire.CodeFault(op, code)
			answered = err
			switch verdict {
			case kafkawire.ResendSame, kafkawire.BackoffRepeat:
			case kafkawire.RefreshMetadata:
				if rerr := p.refresh(ctx, err); rerr != nil {
					return rerr
				}
			default:
				return err
			}
		}
		if werr := p.rest(ctx, times, err); werr != nil {
			return werr
		}
	}
}

// doubt notes that a call may or may not have been carried out.
func (p *producer) doubt(err error) {
	p.counters.repeated.Add(1)
	p.doubted = true
	if p.proto == kafkawire.Classic && !kafkawire.IsUnsent(err) {
		p.unsure = true
	}
}

// refresh is routes.refresh for the middle of a call: an answer that does not come is no error, for the call will be repeated
// and needs one sooner or later.
func (p *producer) refresh(ctx context.Context, last error) error {
	if p.routes == nil {
		return nil // nothing is routed before the open is through
	}
	for times := 0; ; times++ {
		err := p.glance(ctx, kafkawire.AnyBroker, 0)
		if err == nil || fault.IsFinal(err) {
			return err
		}
		if last == nil {
			last = err
		}
		if werr := p.rest(ctx, times, last); werr != nil {
			return werr
		}
	}
}

// freshen looks at leaders and pins when that was a while ago, else at those of new topics alone.
func (p *producer) freshen(ctx context.Context) error {
	if p.routes.stale() {
		return p.refresh(ctx, nil)
	}
	looking, cancel := p.glancing(ctx)
	defer cancel()
	if err := p.routes.meet(looking); err == nil || fault.IsFinal(err) {
		return err
	}
	return p.refresh(ctx, nil)
}

// glance is one attempt of routes.refresh.
func (p *producer) glance(ctx context.Context, broker int32, number uint64) error {
	ctx, cancel := p.glancing(ctx)
	defer cancel()
	return p.routes.refresh(ctx, broker, number)
}

// glancing bounds one look at leaders and pins. It leaves the time to make sure that a topic is gone.
func (p *producer) glancing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.attemptTime()+confirmTimes*confirmPause)
}

// Pauses before a repetition.
const (
	shortPause   = time.Millisecond       // doubled each time
	longPause    = 250 * time.Millisecond // and no longer than this
	markersPause = 500 * time.Microsecond // first, when only markers are waited for: they take a millisecond or two
	markersMost  = 8 * time.Millisecond
)

// rest waits before a repetition. When the time is up it returns last, the reason for the repetition. What goes on for long
// may have a reason that no answer tells, such as a topic that was replaced: the pins are looked at, so that it is known in
// time.
func (p *producer) rest(ctx context.Context, times int, last error) error {
	d := min(shortPause<<min(times, 8), longPause)
	if code, ok := codeOf(last); ok && code == kafkawire.ConcurrentTransactions {
		d = min(markersPause<<min(times/8, 8), markersMost)
	}
	if p.routes != nil && p.routes.overdue(p.timeout/4) {
		if err := p.glance(ctx, kafkawire.AnyBroker, 0); fault.IsFinal(err) {
			return err
		}
	}
	if kafkawire.Pause(ctx, d) == nil {
		return nil
	}
	if !errors.Is(context.Cause(ctx), errTooLate) {
		return fmt.Errorf("talking to Kafka: %w", context.Cause(ctx))
	}
	if f := fault.As(last); f != nil {
		return fmt.Errorf("%w: %w", errTooLate, last)
	}
	return fault.New(fault.Kafka, "waiting for Kafka", errors.Join(errTooLate, last), hintTooLate)
}

// codeOf finds Kafka's code in an error.
func codeOf(err error) (kafkawire.Code, bool) {
	var code kafkawire.Code
	ok := errors.As(err, &code)
	return code, ok
}

// reason chooses what to say when the time ran out in the middle of a call: what Kafka answered to the one before.
func reason(ctx context.Context, answered, err error) error {
	if ctx.Err() != nil && answered != nil {
		return answered
	}
	return err
}
