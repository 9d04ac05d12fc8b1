package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/internal/fault"
)

const (
	flagThroughGTID = 4 // the server goes by the set and not by file and offset
	flagHeartbeatV2 = 2 // heartbeats have offsets of 64 bits; releases before 8.0.26 pass over it
)

// startDump asks the server for its log from p and gives the reader of what comes. The connection is good for nothing else
// afterwards.
func (c *conn) startDump(ctx context.Context, cfg *Config, serverID uint32, p *position) (*eventReader, error) {
	period := cfg.HeartbeatInterval.Nanoseconds()
	// Both spellings: releases before 8.0.26 know only the first, and a later one may drop it.
	sql := fmt.Sprintf("SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32', @master_heartbeat_period=%d, @source_heartbeat_period=%d", period, period)
	if c.mariadb {
		sql = mariaSession(period, p)
	}
	err := c.during(ctx, func() error {
		_, err := c.query(sql)
		return err
	})
	if err != nil {
		return nil, err
	}
	var command []byte
	if c.mariadb {
		command = mariaDumpCommand(serverID, p)
	} else {
		command = dumpCommand(serverID, p)
	}
	c.ResetSequence()
	err = c.during(ctx, func() error { return c.WritePacket(append(make([]byte, 4), command...)) })
	if err != nil {
		return nil, serverFault("asking for the binlog stream", err)
	}
	return newEventReader(c, c.Sequence, 3*cfg.HeartbeatInterval+cfg.ConnectTimeout), nil
}

// dumpCommand makes COM_BINLOG_DUMP_GTID, or COM_BINLOG_DUMP for a position without GTIDs. That one has an offset of 32
// bits: for a place beyond them reading begins at the front of the file.
func dumpCommand(serverID uint32, p *position) []byte {
	le := binary.LittleEndian
	if p.gtids == nil {
		return fileDumpCommand(serverID, p.begin(), 0)
	}
	b := le.AppendUint16([]byte{gomysql.COM_BINLOG_DUMP_GTID}, flagThroughGTID|flagHeartbeatV2)
	b = le.AppendUint32(b, serverID)
	b = le.AppendUint32(b, 0) // no file name
	b = le.AppendUint64(b, 4)
	set := p.gtids.(*gtidSet).appendWire(nil)
	b = le.AppendUint32(b, uint32(len(set)))
	return append(b, set...)
}

func fileDumpCommand(serverID uint32, from logPlace, flags uint16) []byte {
	le := binary.LittleEndian
	pos := uint32(4)
	if from.pos <= math.MaxUint32 {
		pos = uint32(from.pos)
	}
	b := le.AppendUint32([]byte{gomysql.COM_BINLOG_DUMP}, pos)
	b = le.AppendUint16(b, flags)
	b = le.AppendUint32(b, serverID)
	return append(b, from.file...)
}

// begin is where a position without GTIDs makes reading begin.
func (p *position) begin() logPlace {
	if p.resume != nil {
		return p.resume.logPlace
	}
	return logPlace{p.file, p.pos}
}

// dumpFault gives the error with which the server ends a dump its code. The server has one number for nearly all of them, so
// the text must tell cases apart that a person has to cure; the next attempt's checks find the others by themselves.
func dumpFault(err *gomysql.MyError) error {
	const op = "reading the binlog stream"
	if err.Code != gomysql.ER_MASTER_FATAL_ERROR_READING_BINLOG {
		return serverFault(op, err)
	}
	switch {
	case strings.Contains(strings.ToLower(err.Message), "anonymous"):
		return anonymousFault(err)
	case strings.Contains(err.Message, "ecrypt"):
		return fault.NewFinal(fault.SourceSettings, op, err, "The server cannot read its own encrypted log: give it the key that the log was written with (its error log names the plugin), or start over as docs/operations.md says.")
	case strings.Contains(err.Message, "Could not find GTID state"): // MariaDB, where numbers that go back hide it from our own check
		return fault.NewFinal(fault.BinlogPurged, op, err, purgedHint)
	case strings.Contains(err.Message, "is not in the master's binlog"): // MariaDB
		return fault.NewFinal(fault.WrongServer, op, err, wrongServerHint)
	case strings.Contains(err.Message, "truncated in the middle of event"):
		return unfinishedFault(err)
	case strings.Contains(err.Message, "GTID-transaction"):
		return fault.NewFinal(fault.SourceSettings, op, err, "The server has transactions with GTIDs in its log and does not send them while its gtid_mode is OFF. Set it to OFF_PERMISSIVE until the daemon has read them.")
	case strings.Contains(err.Message, "same server_uuid/server_id"):
		return fault.New(fault.Source, op, err, "Another replica has our server_id: set server_id to a number of its own, or leave it out for a random one.")
	}
	return fault.New(fault.Source, op, err, "The server cannot send its log from this position; its error log says more.")
}

func anonymousFault(err error) error {
	return fault.NewFinal(fault.SourceSettings, "reading the binlog stream", anonymous{err},
		"With gtid_mode=ON the log still holds transactions without GTID. Start after them: set start to the server's gtid_executed of the switch, or run PURGE BINARY LOGS up to the first file that begins after it.")
}
