package differential

import (
	"context"
	"testing"
	"time"

	"cdcbridge/integration/harness"
)

const canalAllowed = "canal/allowed.yaml"

// canalServers are the versions of MySQL that are read every day, and those of the long tier. The golden of 8.0 is that of the newest.
var canalServers, canalServersLong = []string{"97", "57"}, []string{"97", "80", "57"}

// TestCanal writes what Canal wrote of the same statements, byte for byte but for the reasoned differences, one row a message; with keys, and in mode upsert
// with what compaction needs besides.
func TestCanal(t *testing.T) {
	t.Parallel()
	list := readAllowed(t, canalAllowed)
	ran := 0
	for _, version := range canalServers {
		t.Run(version, func(t *testing.T) {
			l := newCanalLab(t, version)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			wait, finish := l.ours(ctx, t)
			steps := 0
			l.play(ctx, t, func(n int) { steps = n })
			wait(steps)
			l.hold(ctx, t, list, messagesOf(readGolden(t, l.golden())), finish(), true)
			ran++
		})
	}
	if ran == len(canalServers) {
		reportUnused(t, canalAllowed, list)
	}
}

func (l *canalLab) golden() string { return "canal/" + l.name }

// TestRecordCanal runs the script under the real Canal, in the long tier, and cdcbridge beside it. What Canal writes is what the golden has; and as both read one
// log, the times of the events are the same too.
func TestRecordCanal(t *testing.T) {
	if !harness.Long && !*update {
		return // the golden is what the ordinary tier has of Canal
	}
	for _, version := range canalServersLong {
		t.Run(version, func(t *testing.T) { newCanalLab(t, version).record(t, *update && version != "80") })
	}
}

func (l *canalLab) record(t *testing.T, write bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	wait, finish := l.canal(ctx, t)
	waitOurs, finishOurs := l.ours(ctx, t)
	l.play(ctx, t, func(n int) {
		wait(n)
		waitOurs(n)
	})
	theirs := finish()
	recorded := records{}
	for i, text := range theirs {
		var err error
		if theirs[i], err = cleanCanal(text, false); err != nil {
			t.Fatal(err)
		}
		if text, err = cleanCanal(text, true); err != nil {
			t.Fatal(err)
		}
		recorded["canal"] = append(recorded["canal"], record{value: &text})
	}
	if write {
		writeGolden(t, l.golden(), recorded)
	}
	for _, diff := range compare(readGolden(t, l.golden()), recorded) {
		t.Errorf("not as recorded: %s", diff)
	}
	l.hold(ctx, t, readAllowed(t, canalAllowed), theirs, finishOurs(), false)
}

// hold compares our records with Canal's messages.
func (l *canalLab) hold(ctx context.Context, t *testing.T, list []*allowed, theirs []string, ours map[string]records, positions bool) {
	t.Helper()
	rows, err := canalApart(theirs)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range canalVariants {
		got, err := cleanOurs(ours[v.name], positions)
		if err != nil {
			t.Error(err)
			continue
		}
		want := rows
		if v.mode == "upsert" {
			want = canalUpsert(rows)
		}
		l.judge(ctx, t, list, v.name, compare(want, got))
	}
}

func messagesOf(golden records) []string {
	var all []string
	for _, r := range golden["canal"] {
		all = append(all, *r.value)
	}
	return all
}

// poll asks until the answer is yes.
func poll(ctx context.Context, t *testing.T, ask func() (state string, done bool)) {
	t.Helper()
	for {
		state, done := ask()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v: %s", ctx.Err(), state)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
