package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestFaultTravelsThroughWrapping(t *testing.T) {
	err := fmt.Errorf("running pipeline shop: %w", NewFinal(BinlogPurged, "opening the binlog stream", io.EOF, "Re-snapshot."))
	if !Is(err, BinlogPurged) || !IsFinal(err) || !errors.Is(err, io.EOF) {
		t.Fatalf("lost in wrapping: %v", err)
	}
	want := "running pipeline shop: binlog_purged: opening the binlog stream: EOF (Re-snapshot.)"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if doc := CodeOf(err).Doc(); doc != "docs/errors.md#binlog_purged" {
		t.Errorf("explained at %s", doc)
	}
	if CodeOf(io.EOF) != "" || IsFinal(io.EOF) {
		t.Error("a plain error has no code")
	}
}
