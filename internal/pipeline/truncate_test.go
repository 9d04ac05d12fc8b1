package pipeline

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cdcbridge/changelog"
	"cdcbridge/upsert"
)

// TestTruncationsComeBetweenTransactions: what is before a truncation is committed before the keys are looked for, unless nothing
// is, and what is behind it goes into the transaction that has the last of them.
func TestTruncationsComeBetweenTransactions(t *testing.T) {
	var w *logWriter
	synctest.Test(t, func(t *testing.T) {
		w = &logWriter{begin: time.Now()}
		c := committer{sink: w, ack: func(p changelog.Position) { w.note("ack %s", p) }, policy: DefaultCommitPolicy(), splitAfter: time.Hour, stats: &counters{}, release: func(int64) {}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		queue := make(chan *job, 4)
		for _, j := range []struct {
			pos       string
			rows      int
			truncates bool
		}{{"a", 1, true}, {"b", 1, false}, {"c", 0, true}, {"d", 1, false}} {
			chunk := rows(j.pos, 1, false, j.pos == "d")
			chunk.Parts = chunk.Parts[:j.rows]
			one := &job{done: make(chan struct{}), chunk: &chunk}
			if j.truncates {
				one.truncations = make([]upsert.Truncation, 2)
			}
			close(one.done)
			queue <- one
		}
		_ = c.run(ctx, queue)
		if c.stats.openSince.Load() != 0 {
			t.Error("a transaction is said to be open")
		}
	})
	if got, want := strings.Join(w.log, "; "), "0s truncate 2; 0s write a; 0s write b; 0s commit b []; 0s ack b; 0s truncate 2; 0s write d; 15ms commit d []; 15ms ack d"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
