package mysql

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"cdcbridge/internal/fault"
)

// eventType is the type byte of a binlog event.
type eventType uint8

// Types of binlog events that MySQL 5.7 to 9.x write. What is named neither here nor below is unknown, and an unknown event without
// flagIgnorable stops the stream.
const (
	eventQuery              eventType = 2
	eventStop               eventType = 3
	eventRotate             eventType = 4
	eventIntvar             eventType = 5
	eventRand               eventType = 13
	eventUserVar            eventType = 14
	eventFormatDescription  eventType = 15
	eventXID                eventType = 16
	eventBeginLoadQuery     eventType = 17
	eventExecuteLoadQuery   eventType = 18
	eventTableMap           eventType = 19
	eventWriteRowsV1        eventType = 23
	eventUpdateRowsV1       eventType = 24
	eventDeleteRowsV1       eventType = 25
	eventIncident           eventType = 26
	eventHeartbeat          eventType = 27
	eventIgnorable          eventType = 28
	eventRowsQuery          eventType = 29
	eventWriteRows          eventType = 30
	eventUpdateRows         eventType = 31
	eventDeleteRows         eventType = 32
	eventGTID               eventType = 33
	eventAnonymousGTID      eventType = 34
	eventPreviousGTIDs      eventType = 35
	eventTransactionContext eventType = 36
	eventViewChange         eventType = 37
	eventXAPrepare          eventType = 38
	eventPartialUpdateRows  eventType = 39
	eventTransactionPayload eventType = 40
	eventHeartbeatV2        eventType = 41
	eventGTIDTagged         eventType = 42
)

// Types of events of MariaDB's own.
const (
	eventAnnotateRows           eventType = 160
	eventBinlogCheckpoint       eventType = 161
	eventMariaGTID              eventType = 162
	eventGTIDList               eventType = 163
	eventStartEncryption        eventType = 164
	eventQueryCompressed        eventType = 165
	eventWriteRowsCompressedV1  eventType = 166
	eventUpdateRowsCompressedV1 eventType = 167
	eventDeleteRowsCompressedV1 eventType = 168
	eventWriteRowsCompressed    eventType = 169
	eventUpdateRowsCompressed   eventType = 170
	eventDeleteRowsCompressed   eventType = 171
)

// Flags of the event header.
const (
	flagArtificial uint16 = 0x20 // made by the dump thread, not in the file
	flagIgnorable  uint16 = 0x80 // a reader that does not know the type may go on
)

const (
	headerSize   = 19
	checksumSize = 4
)

// eventHeader is the 19 bytes before the body of every event.
type eventHeader struct {
	Timestamp uint32 // when the statement began, seconds since the Unix epoch
	Type      eventType
	ServerID  uint32 // the server on which the change was made
	Size      uint32 // of the whole event: header, body and checksum
	NextPos   uint32 // where the next event begins, modulo 2^32; 0 in artificial events and inside of a payload
	Flags     uint16
}

// read reads the header at the front of b, which may hold more. A header is read where it stays and handed on by its address, as are
// the bodies that a transaction of one row has: to copy what was just written in small pieces makes a processor wait.
func (h *eventHeader) read(b []byte) error {
	if len(b) < headerSize {
		return badEvent("reading an event header", "it has %d bytes of %d", len(b), headerSize)
	}
	h.Timestamp, h.Type, h.ServerID = binary.LittleEndian.Uint32(b), eventType(b[4]), binary.LittleEndian.Uint32(b[5:])
	h.Size, h.NextPos, h.Flags = binary.LittleEndian.Uint32(b[9:]), binary.LittleEndian.Uint32(b[13:]), binary.LittleEndian.Uint16(b[17:])
	if h.Size < headerSize {
		return badEvent("reading an event header", "it says that the event has %d bytes", h.Size)
	}
	return nil
}

// verifyChecksum compares the CRC32 in the last four bytes of a whole event with the bytes before it.
func verifyChecksum(event []byte) error {
	n := len(event) - checksumSize
	if n < headerSize {
		return badEvent("verifying an event's checksum", "the event has only %d bytes", len(event))
	}
	want, got := binary.LittleEndian.Uint32(event[n:]), crc32.ChecksumIEEE(event[:n])
	if want != got {
		return checksumFault(event[4], want, got)
	}
	return nil
}

// checksumFault is not final: the bytes may have been hurt on the way, and another attempt gets them afresh.
func checksumFault(typ byte, want, got uint32) error {
	return fault.New(fault.Corrupt, "verifying an event's checksum",
		fmt.Errorf("event of type %d: the log says %08x, the bytes give %08x", typ, want, got),
		"Check the server's disk and network. If it repeats at one position, the binlog file is damaged there: read from a replica that has the intact file.")
}

// badEvent is the fault for an event whose bytes contradict the format. It is final: the same bytes come again.
func badEvent(op, format string, args ...any) error {
	return fault.NewFinal(fault.Decode, op, fmt.Errorf(format, args...),
		"Nothing was skipped. Check that binlog_checksum is CRC32 and that the binlog file is intact (mysqlbinlog --verify-binlog-checksum); else report it with the event's position.")
}
