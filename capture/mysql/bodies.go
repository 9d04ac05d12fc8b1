package mysql

import (
	"bytes"
	"encoding/binary"
)

// formatBody is the body of a FORMAT_DESCRIPTION event.
type formatBody struct {
	ServerVersion string // for example "9.7.4"
	Checksum      bool   // every event that follows, this one included, ends with a CRC32
}

const opFormat = "reading a FORMAT_DESCRIPTION event"

// parseFormat reads the body of a FORMAT_DESCRIPTION event, here with the checksum at its end, since the byte before it
// says whether the events have one. It refuses layouts that the parsers of this package do not read.
func parseFormat(body []byte) (formatBody, error) {
	c := cursor{b: body}
	version := c.u16()
	server := c.bytes(50)
	c.u32()
	header := c.u8()
	if c.short || len(c.b) < 1+checksumSize {
		return formatBody{}, badEvent(opFormat, "it has only %d bytes", len(body))
	}
	if version != 4 || header != headerSize {
		return formatBody{}, badEvent(opFormat, "it announces log version %d with event headers of %d bytes", version, header)
	}
	lengths := c.b[:len(c.b)-1-checksumSize]
	for _, want := range []struct {
		typ    eventType
		length byte
	}{{eventQuery, 13}, {eventTableMap, 8}, {eventWriteRows, 10}, {eventUpdateRows, 10}, {eventDeleteRows, 10}} {
		if i := int(want.typ) - 1; i >= len(lengths) || lengths[i] != want.length {
			return formatBody{}, badEvent(opFormat, "events of type %d do not have the layout of MySQL 5.7 or later", want.typ)
		}
	}
	algorithm := c.b[len(lengths)]
	if algorithm > 1 {
		return formatBody{}, badEvent(opFormat, "the checksum algorithm %d is unknown", algorithm)
	}
	end := 0
	for end < len(server) && server[end] != 0 {
		end++
	}
	return formatBody{ServerVersion: string(server[:end]), Checksum: algorithm == 1}, nil
}

// claimingChecksums is the same description with the word that events have checksums. The word is the byte before the
// description's own checksum.
func claimingChecksums(body []byte) []byte {
	b := bytes.Clone(body)
	b[len(b)-checksumSize-1] = 1
	return b
}

// rotateBody is the body of a ROTATE event: the log goes on in File at Pos. It borrows from the event.
type rotateBody struct {
	Pos  uint64
	File []byte
}

func parseRotate(body []byte) (rotateBody, error) {
	c := cursor{b: body}
	r := rotateBody{Pos: c.u64(), File: c.b}
	if c.short || len(r.File) == 0 {
		return rotateBody{}, badEvent("reading a ROTATE event", "its %d bytes hold no file name", len(body))
	}
	return r, nil
}

// parseXID reads the number of the transaction that an XID event commits.
func parseXID(body []byte) (uint64, error) {
	if len(body) != 8 {
		return 0, badEvent("reading an XID event", "it has %d bytes of 8", len(body))
	}
	return binary.LittleEndian.Uint64(body), nil
}

// heartbeatBody says how far the dump thread has read. It borrows from the event.
type heartbeatBody struct {
	Pos  uint64
	File []byte
}

const opHeartbeat = "reading a HEARTBEAT event"

// parseHeartbeat reads a heartbeat. The first version is the file's name, and its position is in the header, modulo 2^32;
// the second has numbered fields.
func parseHeartbeat(h *eventHeader, body []byte) (heartbeatBody, error) {
	if h.Type == eventHeartbeat {
		if len(body) == 0 {
			return heartbeatBody{}, badEvent(opHeartbeat, "it has no file name")
		}
		return heartbeatBody{Pos: uint64(h.NextPos), File: body}, nil
	}
	const (
		fieldEnd  = 0
		fieldFile = 1
		fieldPos  = 2
	)
	var b heartbeatBody
	for c := (cursor{b: body}); len(c.b) > 0; {
		typ := c.packed()
		if typ == fieldEnd && !c.short {
			break
		}
		f := cursor{b: c.packedBytes()}
		switch typ {
		case fieldFile:
			b.File = f.b
		case fieldPos:
			b.Pos = f.packed()
		}
		if c.short || f.short {
			return heartbeatBody{}, badEvent(opHeartbeat, "it is cut short")
		}
	}
	if len(b.File) == 0 {
		return heartbeatBody{}, badEvent(opHeartbeat, "it has no file name")
	}
	return b, nil
}

// incidentBody says that the log has lost changes. It borrows from the event.
type incidentBody struct {
	Code    uint16 // 1: lost events
	Message []byte
}

func parseIncident(body []byte) (incidentBody, error) {
	c := cursor{b: body}
	i := incidentBody{Code: c.u16()}
	if len(c.b) > 0 {
		i.Message = c.bytes(int(c.u8()))
	}
	if c.short {
		return incidentBody{}, badEvent("reading an INCIDENT event", "it has only %d bytes", len(body))
	}
	return i, nil
}

// xaPrepareBody is the body of an XA_PREPARE event. It borrows from the event.
type xaPrepareBody struct {
	OnePhase       bool // a commit, not a prepare
	FormatID       uint32
	Global, Branch []byte // the two parts of the XA transaction's id
}

func parseXAPrepare(body []byte) (xaPrepareBody, error) {
	c := cursor{b: body}
	x := xaPrepareBody{OnePhase: c.u8() != 0, FormatID: c.u32()}
	global, branch := c.u32(), c.u32()
	const most = 64 // of the XA standard
	if c.short || global > most || branch > most {
		return xaPrepareBody{}, badEvent("reading an XA_PREPARE event", "its %d bytes hold no XA id", len(body))
	}
	x.Global, x.Branch = c.bytes(int(global)), c.bytes(int(branch))
	if c.short {
		return xaPrepareBody{}, badEvent("reading an XA_PREPARE event", "its %d bytes end within the XA id", len(body))
	}
	return x, nil
}
