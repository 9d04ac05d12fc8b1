package postgres

import (
	"encoding/binary"
	"time"

	"cdcbridge/internal/fault"
)

const (
	// answerGap is the least time between two answers that say the same: a server that shuts down asks again and again until
	// everything is committed.
	answerGap = 50 * time.Millisecond
	// reportGap is the least time between two reports of what was committed meanwhile.
	reportGap = 100 * time.Millisecond
	// writeTimeout is how long the server may leave a status message of 39 bytes unread.
	writeTimeout = 10 * time.Second
)

// upkeep tells the server what it should know by now: where we stand when that changed, that we live, and, when it has been
// silent, that we want to hear where it stands. It is called whenever time may have passed.
func (d *walReader) upkeep(now time.Time) error {
	if !d.live {
		return nil
	}
	since := now.Sub(d.told)
	moved := d.flushed.Load() != d.reported
	ask := now.Sub(d.heard) >= d.beat && now.Sub(d.asked) >= d.beat
	switch {
	case ask, d.owed && (moved || since >= answerGap), moved && since >= reportGap, since >= d.beat:
		return d.tell(now, ask)
	}
	return nil
}

// nextUpkeep is when upkeep is due again if nothing comes.
func (d *walReader) nextUpkeep(now time.Time) time.Time {
	if d.owed {
		return now.Add(answerGap)
	}
	return now.Add(min(tick, d.beat))
}

// tell sends a standby status update. What was written and applied is said to be what is durable in the target too: the
// server keeps its log for us up to there and no further.
func (d *walReader) tell(now time.Time, ask bool) error {
	d.reported = d.flushed.Load()
	d.told, d.owed = now, false
	if ask {
		d.asked = now
	}
	p := d.status[:]
	p[0] = 'd'
	binary.BigEndian.PutUint32(p[1:], uint32(len(p)-1))
	p[5] = 'r'
	for i := range 3 { // written, flushed, applied
		binary.BigEndian.PutUint64(p[6+8*i:], d.reported)
	}
	binary.BigEndian.PutUint64(p[30:], uint64(now.UnixMicro()-postgresEpoch))
	p[38] = 0
	if ask {
		p[38] = 1
	}
	if err := d.wire.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := d.wire.Write(p); err != nil {
		d.broken = true
		return serverFault("telling the server where we stand", err)
	}
	return nil
}

// ask asks the server where it stands, unless it was asked within that time.
func (d *walReader) ask(every time.Duration) error {
	now := time.Now()
	if !d.live || now.Sub(d.asked) < every {
		return nil
	}
	return d.tell(now, true)
}

// alive keeps the connection while nobody reads from it, which is not the server's silence.
func (d *walReader) alive() error {
	now := time.Now()
	d.heard = now
	return d.upkeep(now)
}

// finish tells the server what was committed last and ends the stream in order. The connection is closed afterwards. That one
// which failed before cannot be told is no news.
func (d *walReader) finish() error {
	if d.broken {
		_ = d.wire.Close()
		return nil
	}
	now := time.Now()
	if err := d.tell(now, false); err != nil {
		_ = d.wire.Close()
		return fault.New(fault.Unreachable, "ending the WAL stream", err, "The slot keeps a little more log than it needs until the next start.")
	}
	_, _ = d.wire.Write([]byte{'c', 0, 0, 0, 4, 'X', 0, 0, 0, 4}) // CopyDone, Terminate
	return d.wire.Close()
}
