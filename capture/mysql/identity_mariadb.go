package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

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

// at is a start that was given as a word.
func (m *mariaFacts) at(word string) *domainState {
	if word == startEarliest {
		return m.begin.clone()
	}
	return m.end.clone()
}

// identityVars are what tells servers of MariaDB apart.
const identityVars = "'server_uid','server_id','hostname','port'"

// identityOf names a server of MariaDB, which has no server_uuid: server_uid (from 10.11 on, made of the host's address and the
// port), server_id, and where it listens. It tells whether two connections lead to one server. It proves no history, and none is
// bound to it: positions of MariaDB are GTIDs.
func identityOf(vars map[string]string) string {
	return vars["server_uid"] + "/" + vars["server_id"] + "@" + vars["hostname"] + ":" + vars["port"]
}

// identity asks for the serverFacts.uuid of the server at the other end.
func (c *conn) identity() (string, error) {
	if !c.mariadb {
		rows, err := c.query("SELECT @@GLOBAL.server_uuid")
		if err != nil {
			return "", err
		}
		return rows[0][0], nil
	}
	rows, err := c.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN (" + identityVars + ")")
	if err != nil {
		return "", err
	}
	vars := map[string]string{}
	for _, r := range rows {
		vars[r[0]] = r[1]
	}
	return identityOf(vars), nil
}

// readMariaReplica asks whether the server is a replica, over any connection. Registering as one ourselves needs REPLICATION SLAVE,
// which is what a dump needs; the server forgets it with the connection.
func (c *conn) readMariaReplica(f *serverFacts) error {
	rows, err := c.query("SHOW ALL SLAVES STATUS")
	if err != nil {
		return err
	}
	f.replica = len(rows) > 0
	le := binary.LittleEndian
	command := le.AppendUint32(append(make([]byte, 4), gomysql.COM_REGISTER_SLAVE), rand.Uint32()|1<<16)
	command = append(command, 0, 0, 0)                // no host, user, password
	command = append(command, make([]byte, 2+4+4)...) // no port, rank, master
	if err := c.raw.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return serverFault("preparing a command", err)
	}
	c.ResetSequence()
	if err := c.WritePacket(command); err != nil {
		return serverFault("registering as a replica", err)
	}
	if _, err := c.ReadOKPacket(); err != nil {
		if errorCode(err) == 1045 { // access denied to an account that is logged in: it lacks REPLICATION SLAVE
			return fault.NewFinal(fault.Permission, "registering as a replica", err, grantHint)
		}
		return serverFault("registering as a replica", err)
	}
	return nil
}

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
	f.maria.begin, err = c.beginOf(f.logs[0].name)
	return err
}

// beginOf is where a log file begins. It is the log's beginning for a file that the server cannot read.
func (c *conn) beginOf(file string) (*domainState, error) {
	rows, err := c.query("SELECT BINLOG_GTID_POS(" + quote(file) + ",4)")
	if err != nil {
		return nil, err
	}
	begin, err := parseDomainState(rows[0][0])
	if err != nil {
		return nil, fault.New(fault.Source, "reading where the file "+file+" begins", err, "")
	}
	return begin, nil
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
	needed, err := p.neededDomains(state)
	if err != nil {
		return err
	}
	var unknown, gone []string
	for _, g := range needed {
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
