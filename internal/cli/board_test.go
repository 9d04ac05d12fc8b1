package cli

import (
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/daemon"
)

// screen plays what a terminal makes of what is written to it: lines, cursor up, carriage return, clear below.
func screen(written string) string {
	lines, at := []string{""}, 0
	for written != "" {
		switch {
		case strings.HasPrefix(written, "\x1b[A"):
			at, written = at-1, written[3:]
		case strings.HasPrefix(written, "\x1b[J"):
			lines, written = append(lines[:at:at], ""), written[3:]
		case written[0] == '\r':
			written = written[1:]
		case written[0] == '\n':
			if at++; at == len(lines) {
				lines = append(lines, "")
			}
			written = written[1:]
		default:
			lines[at] += written[:1]
			written = written[1:]
		}
	}
	return strings.Join(lines, "\n")
}

func TestLogLinesStandAboveTheBoard(t *testing.T) {
	var out syncBuffer
	b := &board{out: &out, columns: func() int { return 12 }}
	write := func(s string) {
		t.Helper()
		if n, err := b.Write([]byte(s)); err != nil || n != len(s) {
			t.Fatal(n, err)
		}
	}
	want := func(s string) {
		t.Helper()
		if got := screen(out.String()); got != s {
			t.Errorf("the screen is\n%s\nwant\n%s", got, s)
		}
	}
	write("first\n")
	b.show(nil)
	want("first\n")
	b.show([]string{"bar one", "a bar that is too long"})
	want("first\nbar one\na bar that \n")
	write("second\nand more\n")
	want("first\nsecond\nand more\nbar one\na bar that \n")
	b.show([]string{"bar ééééé"})
	want("first\nsecond\nand more\nbar ééé\n")
	b.show(nil)
	write("last\n")
	want("first\nsecond\nand more\nlast\n")
}

func TestBars(t *testing.T) {
	percent := 50.0
	table := func(name string, s capture.SnapshotStatus, p *float64) daemon.SnapshotProgress {
		return daemon.SnapshotProgress{TableSnapshot: capture.TableSnapshot{Table: name, Status: s, Rows: 7, Estimate: 14, PerSecond: 2}, Percent: p}
	}
	got := bars([]daemon.SnapshotProgress{
		table("shop.orders", capture.SnapshotReading, &percent), table("shop.items", capture.SnapshotPaused, nil),
		table("a.a", capture.SnapshotWaiting, nil), table("a.b", capture.SnapshotDone, nil), table("a.c", capture.SnapshotCancelled, nil),
	})
	want := []string{
		"shop.orders                      [############------------] 7 rows, 50 % of about 14, 2 rows/s",
		"shop.items                       [------------------------] 7 rows, paused",
		"tables: 1 waiting, 1 done",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	var many []daemon.SnapshotProgress
	for range maxBars + 3 {
		many = append(many, table("x.y", capture.SnapshotReading, nil))
	}
	if got = bars(many); len(got) != maxBars+1 || got[maxBars] != "tables: 3 more being read" {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if got = bars([]daemon.SnapshotProgress{table("x.y", capture.SnapshotDone, nil)}); len(got) != 0 {
		t.Errorf("bars stay when everything is done: %q", got)
	}
}
