package mysql

import (
	"errors"
	"fmt"
	"strings"

	"cdcbridge/internal/fault"
)

// This file decides whether a server of MariaDB can go on from a position. It has no set of all that it ever did. It has
// gtid_binlog_state, the last number of each server in each domain that its log knows, and it can say where in the domains a
// log file begins.

// mariaFacts is what a server of MariaDB says of its log.
type mariaFacts struct {
	end   *domainState            // where the log ends: the last GTID of each domain
	begin *domainState            // where the oldest file begins
	state map[domainServer]uint64 // gtid_binlog_state
}

type domainServer struct{ domain, server uint32 }

// readDomains reads the GTIDs of MariaDB's log. It needs the names of the files.
func (c *conn) readDomains(f *serverFacts) error {
	if !c.mariadb {
		return nil
	}
	const op = "reading the GTIDs of the log"
	rows, err := c.query("SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_binlog_state")
	if err != nil {
		return err
	}
	f.maria.state = map[domainServer]uint64{}
	if f.maria.end, err = parseDomainState(rows[0][0]); err != nil {
		return fault.New(fault.Source, op, err, "")
	}
	last, err := parseDomainGTIDs(rows[0][1])
	if err != nil {
		return fault.New(fault.Source, op, err, "")
	}
	for _, g := range last {
		at := domainServer{g.domain, g.server}
		f.maria.state[at] = max(f.maria.state[at], g.seq)
	}
	f.maria.begin = &domainState{}
	if len(f.logs) == 0 {
		return nil
	}
	rows, err = c.query("SELECT BINLOG_GTID_POS(" + quote(f.logs[0].name) + ",4)")
	if err != nil {
		return err
	}
	if f.maria.begin, err = parseDomainState(rows[0][0]); err != nil {
		return fault.New(fault.Source, op, err, "")
	}
	return nil
}

// servesDomains reports with a fault why the server cannot go on from p. state is nil when p is not a position of MariaDB.
func (f *serverFacts) servesDomains(p *position, state *domainState) error {
	if state == nil || !f.mariadb {
		products := [2]string{"MySQL", "MariaDB"}
		if state != nil {
			products[0], products[1] = products[1], products[0]
		}
		return fault.NewFinal(fault.WrongServer, opIdentity, fmt.Errorf("the position is of %s and this server is %s", products[0], products[1]),
			"The two have different GTIDs. Point the source at the right server, or start over as docs/operations.md says.")
	}
	var unknown, gone []string
	for _, g := range state.last {
		if f.maria.state[domainServer{g.domain, g.server}] < g.seq {
			unknown = append(unknown, g.String())
		}
	}
	if len(unknown) > 0 {
		return f.lacks(abbreviate(strings.Join(unknown, ","), 200))
	}
	from := state
	if p.resume != nil && p.resume.gtids != nil {
		from = p.resume.gtids
	}
	for _, g := range f.maria.begin.last {
		if at, ok := from.of(g.domain); !ok || at.seq < g.seq {
			gone = append(gone, fmt.Sprintf("all of domain %d up to %s", g.domain, g))
		}
	}
	if len(gone) > 0 {
		return fault.NewFinal(fault.BinlogPurged, opIdentity, errors.New("the log no longer has "+abbreviate(strings.Join(gone, ", "), 200)), purgedHint)
	}
	return nil
}
