package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/internal/fault"
)

// This file decides where a stream begins and whether the server can serve it: the checkpoint must be of this server's
// history, and the log must still reach back to it.

const (
	opIdentity = "comparing the checkpoint with the server"

	wrongServerHint = "The checkpoint has transactions that this server never had: it is another server, or it lost them in a failover or a restore. " +
		"Point the source at the right server; if the history really was cut, start over as docs/operations.md says."
	behindHint = "Nothing to do while it catches up. If it does not: look at SHOW REPLICA STATUS, START REPLICA, or, when it takes writes itself by now, run RESET REPLICA ALL and set read_only=OFF."
	purgedHint = "The server deleted log that was not read yet. Start over as docs/operations.md says, and raise binlog_expire_logs_seconds above the longest standstill."
)

// start resolves where to begin without a checkpoint.
func (s *source) start() (*position, error) {
	f := s.facts
	p := &position{server: f.uuid(), file: f.status.file, pos: f.status.pos}
	begin := s.cfg.Start
	if begin == "" {
		begin = startEarliest
		if s.env.Snapshot {
			begin = startLatest // what was before is read from the tables
		}
	}
	if begin != startLatest {
		if len(f.logs) == 0 {
			return nil, fault.New(fault.Source, "resolving start", errors.New("the server shows no binary log"), "")
		}
		p.file, p.pos = f.logs[0].name, 4
	}
	switch {
	case begin == startEarliest || begin == startLatest:
		if !f.gtids() {
			return p, nil
		}
		if f.mariadb {
			p.gtids = f.maria.at(begin)
			break
		}
		set := f.executed.clone()
		if begin == startEarliest {
			set = f.purged.clone()
			if err := s.conn.refuseAnonymous(f.logs); err != nil {
				return nil, err
			}
		}
		p.gtids = &set
	case !f.gtids():
		return nil, fault.NewFinal(fault.Config, "resolving start", fmt.Errorf("start is a GTID set and the server's gtid_mode is %s", f.vars["gtid_mode"]),
			"Set start to earliest or latest, or the server to gtid_mode=ON.")
	default:
		state, err := parseGTIDState(f.mariadb, begin)
		if err != nil {
			return nil, fault.NewFinal(fault.Config, "resolving start", err, "")
		}
		p.gtids = state
	}
	return p, nil
}

// refuseAnonymous looks for transactions without GTID in the oldest files. A dump by GTIDs begins at the first file that has
// any, and the server leaves the files before it out without a word.
func (c *conn) refuseAnonymous(logs []logFile) error {
	for _, l := range logs {
		rows, err := c.query("SHOW BINLOG EVENTS IN " + quote(l.name) + " LIMIT 8")
		if err != nil {
			return err
		}
		for _, r := range rows {
			switch typ := r[2]; {
			case typ == "Anonymous_Gtid":
				return anonymousFault(fmt.Errorf("the file %s holds transactions without GTID", l.name))
			case strings.HasPrefix(typ, "Gtid"):
				return nil
			}
		}
	}
	return nil
}

// serves reports with a fault why the server cannot go on from p, and makes p one that this server can go on from.
func (f *serverFacts) serves(p *position) error {
	if p.gtids == nil {
		return f.servesFile(p)
	}
	if state, ok := p.gtids.(*domainState); ok || f.mariadb {
		return f.servesDomains(p, state)
	}
	if !f.gtids() {
		return f.lowered(p)
	}
	needed, err := p.needed()
	if err != nil {
		return err
	}
	if unknown := needed.minus(&f.executed); !unknown.empty() {
		return f.lacks(abbreviate(unknown.String(), 200))
	}
	if gone := f.purged.minus(p.gtids.(*gtidSet)); !gone.empty() {
		return fault.NewFinal(fault.BinlogPurged, opIdentity, fmt.Errorf("the log no longer has %s", abbreviate(gone.String(), 200)), purgedHint)
	}
	return nil
}

// needed is what a server must have had: all that is done, the transaction of which a part is done, and those of which values
// were read.
func (p *position) needed() (*gtidSet, error) {
	set := p.gtids.(*gtidSet)
	if seen, ok := p.seen.(*gtidSet); ok {
		all := set.clone()
		all.addSet(seen)
		set = &all
	}
	if p.txn == nil {
		return set, nil
	}
	begun, err := parseGTIDSet(p.txn.id)
	if err != nil {
		return nil, badPosition(fmt.Errorf("the transaction %q: %w", p.txn.id, err))
	}
	begun.addSet(set)
	return &begun, nil
}

// neededDomains is the same on MariaDB: the last transactions of all that is done, and the one that is begun.
func (p *position) neededDomains(state *domainState) ([]domainGTID, error) {
	needed := state.last
	if seen, ok := p.seen.(*domainState); ok {
		needed = append(slices.Clone(needed), seen.last...)
	}
	if p.txn == nil {
		return needed, nil
	}
	begun, err := parseDomainGTID(p.txn.id)
	if err != nil {
		return nil, badPosition(err)
	}
	return append(slices.Clone(needed), begun), nil
}

// lacks is the fault of a server that does not have transactions that were read elsewhere. A replica may still get them.
func (f *serverFacts) lacks(missing string) error {
	if f.replica || f.vars["read_only"] == "ON" {
		return fault.New(fault.ReplicaBehind, opIdentity, fmt.Errorf("the server %s has not applied %s yet", f.uuid(), missing), behindHint)
	}
	return fault.NewFinal(fault.WrongServer, opIdentity, forked{fmt.Errorf("the server %s never had %s", f.uuid(), missing)}, wrongServerHint)
}

func (f *serverFacts) servesFile(p *position) error {
	if p.server != f.uuid() {
		return fault.NewFinal(fault.WrongServer, opIdentity, fmt.Errorf("the position is of server %s and this is %s", p.server, f.uuid()),
			"Without GTIDs a position is good on its own server only. Point the source there, or start over as docs/operations.md says; gtid_mode=ON makes failover possible.")
	}
	if len(f.logs) == 0 {
		return fault.New(fault.Source, opIdentity, errors.New("the server shows no binary log"), "")
	}
	from := p.begin()
	for _, at := range []logPlace{from, {p.file, p.pos}} {
		i := slices.IndexFunc(f.logs, func(l logFile) bool { return l.name == at.file })
		if newest := f.logs[len(f.logs)-1].name; i < 0 && (len(at.file) > len(newest) || len(at.file) == len(newest) && at.file > newest) {
			return fault.NewFinal(fault.WrongServer, opIdentity, fmt.Errorf("the position is in the file %s and the server's newest is %s", at.file, newest), wrongServerHint)
		}
		if i < 0 {
			return fault.NewFinal(fault.BinlogPurged, opIdentity, fmt.Errorf("the server no longer has the file %s", at.file), purgedHint)
		}
		if at.pos > f.logs[i].size {
			return fault.NewFinal(fault.WrongServer, opIdentity, fmt.Errorf("the file %s has %d bytes and the position is at %d", at.file, f.logs[i].size, at.pos), wrongServerHint)
		}
	}
	return nil
}

// people renders a position for logs and status pages.
func (p *position) people() string {
	if p.gtids != nil && !p.gtids.empty() {
		return p.gtids.String()
	}
	return fmt.Sprintf("%s:%d", p.file, p.pos)
}
