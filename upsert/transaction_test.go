package upsert

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

func testProducer(proto kafkawire.Protocol) *producer {
	return &producer{proto: proto, timeout: 15 * time.Second, counters: &counters{}}
}

// An answer that never comes right ends with the code of what it was waiting for, not before the patience is over.
func TestRepeatGivesUpInTime(t *testing.T) {
	for _, tc := range []struct {
		answer kafkawire.Code
		want   fault.Code
	}{
		{kafkawire.ConcurrentTransactions, fault.TransactionsDown},
		{kafkawire.CoordinatorNotAvailable, fault.TransactionsDown},
		{kafkawire.CoordinatorLoading, fault.TransactionsDown},
		{kafkawire.KafkaStorageError, fault.KafkaStorage},
	} {
		synctest.Test(t, func(t *testing.T) {
			start, calls := time.Now(), 0
			ctx, cancel := context.WithTimeoutCause(t.Context(), takeOverPatience, errTooLate)
			defer cancel()
			err := testProducer(kafkawire.KIP890).repeat(ctx, kafkawire.CallInitProducerID, "taking over", func(context.Context) (kafkawire.Code, error) {
				calls++
				return tc.answer, nil
			})
			if !fault.Is(err, tc.want) || fault.IsFinal(err) || fault.As(err).Hint == "" || !errors.Is(err, errTooLate) {
				t.Errorf("%v: got %v, want %s", tc.answer, err, tc.want)
			}
			if took := time.Since(start); took != takeOverPatience || calls < 100 {
				t.Errorf("%v: %d calls in %v", tc.answer, calls, took)
			}
		})
	}
}

// The time runs out while a call has no answer yet: the one before says why.
func TestRepeatKeepsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), takeOverPatience, errTooLate)
		defer cancel()
		silent := fault.New(fault.Unreachable, "calling Kafka", errors.New("no answer"), "hint")
		start := time.Now()
		err := testProducer(kafkawire.KIP890).repeat(ctx, kafkawire.CallInitProducerID, "taking over", func(ctx context.Context) (kafkawire.Code, error) {
			if time.Since(start) < takeOverPatience-2*time.Second {
				return kafkawire.ConcurrentTransactions, nil
			}
			<-ctx.Done()
			return kafkawire.OK, silent
		})
		if !fault.Is(err, fault.TransactionsDown) || !errors.Is(err, errTooLate) {
			t.Errorf("got %v", err)
		}
		quick, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTooLate)
		defer cancel()
		if err := testProducer(kafkawire.KIP890).repeat(quick, kafkawire.CallInitProducerID, "taking over", func(ctx context.Context) (kafkawire.Code, error) {
			<-ctx.Done()
			return kafkawire.OK, silent
		}); !fault.Is(err, fault.Unreachable) {
			t.Errorf("without any answer: %v", err)
		}
	})
}

func TestRepeatEndsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		answer kafkawire.Code
		want   fault.Code
		final  bool
	}{
		{kafkawire.TransactionalIDAuthorization, fault.Permission, true},
		{kafkawire.InvalidTransactionTimeout, fault.TransactionTimeout, true},
		{kafkawire.UnsupportedVersion, fault.KafkaVersion, false},
		{kafkawire.ProducerFenced, fault.Kafka, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := testProducer(kafkawire.Classic).repeat(t.Context(), kafkawire.CallInitProducerID, "taking over", func(context.Context) (kafkawire.Code, error) {
				return tc.answer, nil
			})
			if !fault.Is(err, tc.want) || fault.IsFinal(err) != tc.final || fault.As(err).Hint == "" || !time.Now().Equal(start) {
				t.Errorf("%v: %v after %v, want %s", tc.answer, err, time.Since(start), tc.want)
			}
		})
	}
}

// Each attempt of a call is bounded, so that a broker that hangs does not use up the whole time.
func TestRepeatBoundsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		p := testProducer(kafkawire.Classic)
		err := p.repeat(t.Context(), kafkawire.CallEndTxn, "committing", func(ctx context.Context) (kafkawire.Code, error) {
			if calls++; calls == 3 {
				return kafkawire.OK, nil
			}
			<-ctx.Done()
			return kafkawire.OK, fault.New(fault.Unreachable, "calling Kafka", &kafkawire.CallError{Call: "EndTxn", Sent: true, Err: ctx.Err()}, "hint")
		})
		if took := time.Since(start); err != nil || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if !p.unsure {
			t.Error("the classic producer trusts its epoch after an unknown outcome")
		}
	})
}

func TestRepeatStopsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shut down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		err := testProducer(kafkawire.KIP890).repeat(ctx, kafkawire.CallEndTxn, "committing", func(context.Context) (kafkawire.Code, error) {
			return kafkawire.ConcurrentTransactions, nil
		})
		if !errors.Is(err, cause) || fault.As(err) != nil {
			t.Errorf("got %v", err)
		}
	})
}

// A producer that failed takes nothing more, and does not ask for an abort after a commit whose outcome is unknown.
func TestBrokenProducer(t *testing.T) {
	p := testProducer(kafkawire.KIP890)
	p.phase, p.touched, p.ending = open, true, true
	p.counters.began.Store(time.Now().UnixNano())
	p.breakOn(errors.New("the answer is lost"))
	if err := p.write(t.Context(), nil); !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
	if err := p.rollback(t.Context()); err != nil { // would call through a nil client
		t.Error(err)
	}
	if !p.counters.openSince().IsZero() {
		t.Error("the transaction is still counted as open")
	}
}

// What is sent while no transaction is open belongs to none, and has the id, epoch and sequence that its like in a transaction would have.
func TestLoadOutsideOfTransactions(t *testing.T) {
	for _, phase := range []phase{idle, open} {
		p := testProducer(kafkawire.KIP890)
		p.txnID, p.phase, p.number, p.id = "txn", phase, 7, kafkawire.ProducerID{ID: 5, Epoch: 3}
		section := kafkawire.AppendRecord(nil, &kafkawire.Record{Key: []byte("k")})
		part := &Part{Header: kafkawire.BatchHeader{Count: 1}, Batch: append(kafkawire.ReserveBatchHeader(nil), section...)}
		l := &lane{leader: 1, sequence: 9, queue: []*Part{part}}
		shipments := p.load([]*lane{l})
		b, _, ok, err := kafkawire.NextBatch(shipments[0].request.Parts[0].Batch)
		if err != nil || !ok || b.Producer != p.id || b.Sequence != 9 {
			t.Fatalf("%+v, %v, %v", b, ok, err)
		}
		if id := shipments[0].request.TransactionalID; b.Transactional != (phase == open) || (id != "") != (phase == open) {
			t.Errorf("phase %d: a batch in a transaction: %v; transactional id %q", phase, b.Transactional, id)
		}
		p.acknowledge(l)
		if l.sequence != 10 || (l.txn == 7) != (phase == open) {
			t.Errorf("phase %d: afterwards sequence %d, transaction %d", phase, l.sequence, l.txn)
		}
	}
}

// Rows outside of transactions are refused while one is open, and after a failure.
func TestAppendBetweenTransactions(t *testing.T) {
	for _, phase := range []phase{open, broken} {
		p := testProducer(kafkawire.Classic)
		p.phase = phase
		if err := p.append(t.Context(), nil); !fault.Is(err, fault.Internal) || p.phase != broken {
			t.Errorf("phase %d: %v, then phase %d", phase, err, p.phase)
		}
	}
}
