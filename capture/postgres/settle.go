package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// settle brings a connection that was taken over from pgconn to where nothing of it is with pgconn any more.
//
// pgconn reads in the background when a write takes longer than some milliseconds, as on a busy machine, and that read may still wait when the
// answer to the write is long there: it would take the first bytes that come next, those of the stream. An exchange through pgconn's own
// reader ends it, and takes in the notices that have come.
func settle(h *pgconn.HijackedConn) error {
	if err := h.Conn.SetDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	h.Frontend.Send(&pgproto3.Sync{})
	if err := h.Frontend.Flush(); err != nil {
		return err
	}
	for ready := false; !ready || h.Frontend.ReadBufferLen() > 0; {
		message, err := h.Frontend.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.ReadyForQuery:
			ready = true
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(m)
		}
	}
	return h.Conn.SetDeadline(time.Time{})
}
