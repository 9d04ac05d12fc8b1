package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

const grantHint = "As a superuser run ALTER ROLE … REPLICATION for the user, and GRANT SELECT on the captured tables; to make a publication it also needs CREATE on the database and the ownership of the tables."

// state is the SQLSTATE of a server's error, "" when err is none.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// serverFault gives an error of a connection its code. A fault and a cancellation pass as they are. No text of it holds a password.
func serverFault(op string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if f := fault.As(err); f != nil {
		if f.Op == "" {
			return &fault.Fault{Code: f.Code, Op: op, Hint: f.Hint, Err: f.Err, Final: f.Final}
		}
		return err
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return refusal(op, e)
	}
	err = flat{err}
	if tlsErr := capture.TLSFault(op, err); tlsErr != nil {
		return tlsErr
	}
	var ne net.Error
	if errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, pgconn.ErrConnClosed) {
		return fault.New(fault.Unreachable, op, err, "Check host and port, that the server runs, and the network between.")
	}
	return fault.New(fault.Source, op, err, "")
}

// refusal gives what the server answered its code (PostgreSQL manual, appendix A).
func refusal(op string, e *pgconn.PgError) error {
	err := answer{e}
	class := e.Code[:min(2, len(e.Code))]
	switch {
	case e.Code == "3D000":
		return fault.NewFinal(fault.Config, op, err, "The server has no such database: check database of the source.")
	case class == "28":
		return fault.NewFinal(fault.Auth, op, err, "Check user, password and tls of the source, and that pg_hba.conf of the server lets this user in from here.")
	case e.Code == "42501":
		return fault.NewFinal(fault.Permission, op, err, grantHint)
	case e.Code == "55006":
		return fault.New(fault.SlotInUse, op, err, slotInUseHint)
	case e.Code == "53300":
		return fault.New(fault.Unreachable, op, err, "No connection is free: raise max_connections or max_wal_senders, or close what is not needed.")
	case e.Code == "53400":
		return fault.NewFinal(fault.SourceSettings, op, err, noSlotHint)
	case e.Code == "55P03":
		return fault.New(fault.Source, op, err, "Another session holds a lock on a table (ALTER, VACUUM, CREATE INDEX): it is tried again.")
	case class == "08", class == "57", class == "53":
		return fault.New(fault.Unreachable, op, err, "The server is up and does not serve now: check whether it is starting, stopping, in recovery or out of resources.")
	}
	return fault.New(fault.Source, op, err, "Look the SQLSTATE up in the PostgreSQL manual.")
}

const noSlotHint = "No replication slot is free: drop slots that nobody uses (SELECT * FROM pg_replication_slots), or raise max_replication_slots and restart the server."

const slotInUseHint = "Another connection streams from the slot. After a crash or a cut network the server keeps it until wal_sender_timeout; if another daemon runs this pipeline, stop one."

// answer is what the server said, on one line.
type answer struct{ *pgconn.PgError }

// Error gives severity, message, the server's own hint and the SQLSTATE.
func (a answer) Error() string {
	s := a.Severity + ": " + a.Message
	if a.Detail != "" {
		s += " (" + a.Detail + ")"
	}
	if a.Hint != "" {
		s += " " + a.Hint
	}
	return flatten(s) + " (SQLSTATE " + a.Code + ")"
}

// Unwrap gives pgconn's error.
func (a answer) Unwrap() error { return a.PgError }

// flat is an error whose text has one line: pgconn's have one an address that was tried.
type flat struct{ err error }

// Error gives the text.
func (f flat) Error() string { return flatten(f.err.Error()) }

// Unwrap gives the error.
func (f flat) Unwrap() error { return f.err }

func flatten(s string) string { return strings.Join(strings.Fields(s), " ") }
