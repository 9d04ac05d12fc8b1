package mysql

import (
	"context"
	"fmt"

	"cdcbridge/internal/fault"
)

// This file says what each kind of event means for the stream.

// apply handles an event that may also stand within a payload. body is where its body comes from.
func (s *stream) apply(ctx context.Context, h *eventHeader, body eventBody) error {
	switch h.Type {
	case eventGTID, eventAnonymousGTID, eventGTIDTagged, eventMariaGTID, eventQuery, eventQueryCompressed, eventXID, eventXAPrepare,
		eventTableMap, eventIncident, eventExecuteLoadQuery:
		b, err := body.body()
		if err != nil {
			return err
		}
		return s.control(ctx, h, b)
	case eventWriteRows, eventUpdateRows, eventDeleteRows, eventWriteRowsV1, eventUpdateRowsV1, eventDeleteRowsV1, eventPartialUpdateRows:
		return s.rows(ctx, h, body)
	case eventWriteRowsCompressedV1, eventUpdateRowsCompressedV1, eventDeleteRowsCompressedV1,
		eventWriteRowsCompressed, eventUpdateRowsCompressed, eventDeleteRowsCompressed:
		plain := *h
		plain.Type = uncompressedType(h.Type)
		s.inflate.of(plain.Type, body)
		return s.rows(ctx, &plain, &s.inflate)
	case eventPreviousGTIDs:
		return s.previousGTIDs(body)
	case eventRowsQuery, eventAnnotateRows:
		return s.rowsQuery(h, body)
	case eventStop, eventIgnorable, eventTransactionContext, eventViewChange,
		eventBinlogCheckpoint, eventGTIDList, eventStartEncryption, eventIntvar, eventRand, eventUserVar, eventBeginLoadQuery:
		// No row and no boundary. The last four prepare a statement that is judged by its text; an encrypted log is sent decrypted.
		return body.discard()
	}
	if h.Flags&flagIgnorable != 0 {
		return body.discard()
	}
	return fault.NewFinal(fault.Decode, "reading the binlog stream", fmt.Errorf("events of type %d are unknown", h.Type),
		"Nothing was skipped. The server is newer than this release knows: upgrade cdcbridge.")
}

// control handles the events that bound transactions or say something about tables.
func (s *stream) control(ctx context.Context, h *eventHeader, body []byte) error {
	switch h.Type {
	case eventTableMap:
		return s.tableMap(ctx, body)
	case eventXID:
		if _, err := parseXID(body); err != nil {
			return err
		}
		s.txn.byXID = true
		return s.finish("an XID event")
	case eventQuery, eventQueryCompressed:
		return s.queryEvent(ctx, h, body)
	case eventXAPrepare:
		x, err := parseXAPrepare(body)
		if err != nil {
			return err
		}
		return s.xaPrepare(ctx, x.OnePhase)
	case eventIncident:
		i, err := parseIncident(body)
		if err != nil {
			return err
		}
		return fault.NewFinal(fault.Incident, "reading the binlog stream", fmt.Errorf("the server logged an incident: %s", i.Message),
			"The server could not log some changes. Start over as docs/operations.md says.")
	case eventExecuteLoadQuery:
		return s.loadQuery(body)
	}
	var g gtidBody
	if err := g.read(h, body); err != nil {
		return err
	}
	return s.begin(ctx, h, &g)
}
