package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/internal/fault"
)

// TestRefusals pins the code and the finality of what a server may answer.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		state string
		code  fault.Code
		final bool
	}{
		{"28P01", fault.Auth, true}, {"28000", fault.Auth, true}, {"3D000", fault.Config, true}, {"42501", fault.Permission, true}, {"55006", fault.SlotInUse, false},
		{"53300", fault.Unreachable, false}, {"53400", fault.SourceSettings, true}, {"57P01", fault.Unreachable, false}, {"57P02", fault.Unreachable, false}, {"57P03", fault.Unreachable, false},
		{"08006", fault.Unreachable, false}, {"53100", fault.Unreachable, false}, {"55P03", fault.Source, false}, {"XX000", fault.Source, false}, {"", fault.Source, false},
	} {
		err := serverFault("asking", fmt.Errorf("wrapped: %w", &pgconn.PgError{Severity: "FATAL", Code: c.state, Message: "no\nway", Hint: "go away"}))
		f := fault.As(err)
		if f == nil || f.Code != c.code || f.Final != c.final || f.Hint == "" {
			t.Errorf("%s: %v", c.state, err)
		}
		if text := err.Error(); !strings.Contains(text, "FATAL: no way go away (SQLSTATE "+c.state+")") || state(err) != c.state {
			t.Errorf("%s: %s", c.state, text)
		}
	}
	for state, code := range map[string]fault.Code{"55000": fault.SlotLost, "42704": fault.SlotMissing, "55006": fault.SlotInUse} {
		if err := startFault("starting", &pgconn.PgError{Code: state}); !fault.Is(err, code) || fault.IsFinal(err) {
			t.Errorf("%s at the start: %v", state, err)
		}
	}
}

func TestFailures(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded, &net.OpError{Op: "dial", Err: errors.New("refused")}} {
		if got := serverFault("asking", err); !fault.Is(got, fault.Unreachable) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
	if err := serverFault("asking", fmt.Errorf("x: %w", context.Canceled)); fault.As(err) != nil {
		t.Errorf("a cancellation became %v", err)
	}
	own := fault.NewFinal(fault.Auth, "", errors.New("no TLS"), "hint")
	if f := fault.As(serverFault("connecting", own)); f.Op != "connecting" || f.Code != fault.Auth || !f.Final {
		t.Errorf("%+v", f)
	}
	if err := serverFault("asking", errors.New("two\nlines")); strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}
