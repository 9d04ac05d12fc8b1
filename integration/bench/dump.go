package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-mysql-org/go-mysql/mysql"
)

// ceiling is what one server gives without the daemon.
type ceiling struct {
	Rows    int64   `json:"rows"`
	Bytes   int64   `json:"bytes"`
	Events  int64   `json:"events,omitempty"` // of rows, in the binlog
	Commits int64   `json:"commits,omitempty"`
	Seconds float64 `json:"seconds"`
	Shares  shares  `json:"cores"`
}

// Flags of COM_BINLOG_DUMP_GTID.
const (
	dumpNonBlock    = 1 // end with EOF at the end of the log
	dumpThroughGTID = 4
)

// dump reads the whole binlog as fast as the server sends it and looks at nothing but the event types.
func (m *mysqlDB) dump(ctx context.Context, b backlog) (ceiling, error) {
	c, err := client.ConnectWithContext(ctx, m.server.Addr(), m.server.User(), m.server.Password(), "", 10*time.Second)
	if err != nil {
		return ceiling{}, fmt.Errorf("connecting for a raw dump: %w", err)
	}
	defer c.Close()
	if _, err := c.Execute("SET @master_binlog_checksum='CRC32', @source_binlog_checksum='CRC32'"); err != nil {
		return ceiling{}, fmt.Errorf("announcing checksums: %w", err)
	}
	packet := append(make([]byte, 4), mysql.COM_BINLOG_DUMP_GTID)
	packet = binary.LittleEndian.AppendUint16(packet, dumpNonBlock|dumpThroughGTID)
	packet = binary.LittleEndian.AppendUint32(packet, 4_000_000_000) // server id
	packet = binary.LittleEndian.AppendUint32(packet, 0)             // no file name
	packet = binary.LittleEndian.AppendUint64(packet, 4)
	packet = binary.LittleEndian.AppendUint32(packet, 8) // of the set that follows, which is empty: everything
	packet = binary.LittleEndian.AppendUint64(packet, 0)
	c.ResetSequence()
	before := readUsage()
	began := time.Now()
	if err := c.WritePacket(packet); err != nil {
		return ceiling{}, fmt.Errorf("asking for the binlog: %w", err)
	}
	res, err := countBinlog(bufio.NewReaderSize(c.Conn.Conn, 256<<10))
	if err != nil {
		return ceiling{}, fmt.Errorf("reading the binlog: %w", err)
	}
	res.Seconds, res.Shares = time.Since(began).Seconds(), readUsage().since(before, 0)
	res.Rows = b.changes
	return res, nil
}

// countBinlog reads packets up to EOF. Each packet but the continuations of a large one begins with 0 and an event header.
func countBinlog(r *bufio.Reader) (res ceiling, err error) {
	const largest = 1<<24 - 1
	continued := false
	for {
		head, err := r.Peek(5)
		if err != nil {
			return res, err
		}
		size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		if !continued {
			switch {
			case head[4] == 0xff:
				return res, errors.New("the server sent an error")
			case head[4] == 0xfe && size < 9:
				return res, nil
			}
			whole, err := r.Peek(4 + 1 + 5)
			if err != nil {
				return res, err
			}
			if kind := whole[9]; kind == 30 || kind == 31 || kind == 32 || kind == 40 { // rows of three kinds, compressed transactions
				res.Events++
			}
		}
		if _, err := io.CopyN(io.Discard, r, int64(4+size)); err != nil {
			return res, err
		}
		res.Bytes += int64(size)
		continued = size == largest
	}
}
