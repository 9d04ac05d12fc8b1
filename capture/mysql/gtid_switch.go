package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/internal/fault"
)

// This file follows MySQL's gtid_mode when it is switched while a pipeline lives.
//
//	on    A position of file and offset goes on over transactions with and without GTID. When a log file begins whose transactions
//	      all have one, what the server says of the files before it is the set of all that is done, and the position becomes it.
//	off   A position that is a GTID set has a file and an offset too, from which on the same server reading goes on; what is in the
//	      set is left out. They may lie before what the set says, since a server that is asked by GTIDs shows where it begins
//	      to read and not what it leaves out.

const lowerHint = "Bring gtid_mode back to ON; or, if a server has to be read whose gtid_mode is not ON, start over as docs/operations.md says."

// lowered makes p one of file and offset, on a server that does not promise GTIDs any more.
func (f *serverFacts) lowered(p *position) error {
	set := p.gtids.(*gtidSet)
	if p.server != f.uuid() {
		return fault.NewFinal(fault.SourceSettings, opIdentity, fmt.Errorf("the checkpoint is a GTID set of the server %s, and the gtid_mode of this one, %s, is %s",
			p.server, f.uuid(), f.vars["gtid_mode"]), lowerHint)
	}
	needed, err := p.needed()
	if err != nil {
		return err
	}
	if unknown := needed.minus(&f.executed); !unknown.empty() {
		return f.lacks(abbreviate(unknown.String(), 200))
	}
	p.done, p.gtids = set, nil
	return f.servesFile(p)
}

// refuseGap looks for transactions without GTID behind a position that is a set: gtid_mode was lowered and raised again meanwhile.
// A dump by GTIDs begins at the first file that has any which the set lacks, and the server leaves the files before it out without a
// word. Each step of gtid_mode begins a new file, so a look at the front of each will do. Of another server's log nothing is known:
// there such files may stand before all others, as they do after gtid_mode was raised once.
func (c *conn) refuseGap(f *serverFacts, p *position) error {
	if p.gtids == nil || f.mariadb {
		return nil
	}
	from := slices.IndexFunc(f.logs, func(l logFile) bool { return p.server == f.uuid() && l.name == p.file })
	begun := from >= 0
	for _, l := range f.logs[max(from, 0):] {
		rows, err := c.query("SHOW BINLOG EVENTS IN " + quote(l.name) + " LIMIT 8")
		if err != nil {
			return err
		}
		for _, r := range rows {
			at, err := parseOffset(r[1])
			if err != nil {
				return err
			}
			if typ := r[2]; strings.HasPrefix(typ, "Gtid") {
				begun = true
			} else if typ == "Anonymous_Gtid" && begun && (l.name != p.file || at >= p.pos) {
				return fault.NewFinal(fault.SourceSettings, opIdentity, anonymous{fmt.Errorf("behind the checkpoint, which is a GTID set, the file %s holds transactions without GTID", l.name)},
					"gtid_mode was lowered and raised again, and what was written meanwhile is in no set. Lower it to ON_PERMISSIVE until the daemon has passed that file, or start over as docs/operations.md says.")
			}
		}
	}
	return nil
}

// previousGTIDs takes in what stands at the front of a file: the GTIDs of all files before it.
func (s *stream) previousGTIDs(body eventBody) error {
	if !s.raises() {
		return body.discard()
	}
	b, err := body.body()
	if err != nil {
		return err
	}
	set, err := parseGTIDWire(b)
	if err != nil {
		return err
	}
	s.pos.gtids, s.moved = set, true
	return nil
}

// raises reports whether the position can become a GTID set at the front of this file: everything before it is done, and the
// server promised GTIDs before the file was there. If it takes that back, lowered helps.
func (s *stream) raises() bool {
	f := s.src.facts
	if s.pos.gtids != nil || f.mariadb || !f.gtids() || !s.past.over() || s.txn.resume != nil || len(s.xa.prepared) > 0 || len(f.logs) == 0 {
		return false
	}
	newest := f.logs[len(f.logs)-1].name
	return len(s.file) > len(newest) || len(s.file) == len(newest) && s.file > newest
}

// parseGTIDWire reads the form of appendWire.
func parseGTIDWire(b []byte) (*gtidSet, error) {
	c := cursor{b: b}
	count := c.u64()
	tagged := count>>56 == 1
	if tagged {
		count = count << 8 >> 16
	}
	set := &gtidSet{}
	for range count {
		var src gtidSource
		copy(src.uuid[:], c.bytes(16))
		if tagged {
			src.tag = string(c.bytes(int(c.u8() >> 1)))
		}
		ranges := c.u64()
		if c.short || ranges == 0 || ranges > uint64(len(c.b)/16) {
			return nil, badEvent("reading a PREVIOUS_GTIDS event", "its %d bytes end within a set", len(b))
		}
		into := set.entry(src)
		for range ranges {
			r := gnoRange{int64(c.u64()), int64(c.u64()) - 1}
			if r.first < 1 || r.last < r.first {
				return nil, badEvent("reading a PREVIOUS_GTIDS event", "it has the range %d-%d", r.first, r.last)
			}
			into.add(r)
		}
	}
	if c.short || len(c.b) > 0 {
		return nil, badEvent("reading a PREVIOUS_GTIDS event", "its %d bytes are not those of %d sources", len(b), count)
	}
	return set, nil
}

// anonymous is the cause of a fault: a transaction without GTID.
type anonymous struct{ error }

func (a anonymous) Unwrap() error { return a.error }

// lower makes another attempt of the end of a stream by GTIDs at a transaction without one, when gtid_mode says that more of them
// come: that attempt goes by file and offset. Otherwise the transaction is one of the past, and the end it is.
func (s *source) lower(ctx context.Context, err error) error {
	if !errors.As(err, new(anonymous)) || ctx.Err() != nil {
		return err
	}
	c, failed := connect(ctx, s.cfg)
	if failed != nil {
		return fmt.Errorf("%w; asking for gtid_mode: %w", failed, err)
	}
	defer c.raw.Close()
	rows, failed := c.query("SELECT @@GLOBAL.gtid_mode")
	if failed != nil {
		return fmt.Errorf("%w; asking for gtid_mode: %w", failed, err)
	}
	if rows[0][0] == "ON" {
		return err
	}
	return fault.New(fault.SourceSettings, "reading the binlog stream", fmt.Errorf("gtid_mode is %s by now: %w", rows[0][0], err),
		"Nothing to do: the source goes on by file and offset, which are good on this server only.")
}
