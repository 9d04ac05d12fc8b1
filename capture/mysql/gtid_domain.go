package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// domainGTID is a GTID of MariaDB, "0-1-5": the number seq of the server in the domain. A domain is a stream of its own: its
// transactions have one order on all servers, in which the numbers rise.
type domainGTID struct {
	domain, server uint32
	seq            uint64
}

func (g domainGTID) appendText(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(g.domain), 10), '-')
	dst = append(strconv.AppendUint(dst, uint64(g.server), 10), '-')
	return strconv.AppendUint(dst, g.seq, 10)
}

func (g domainGTID) String() string { return string(g.appendText(nil)) }

// domainState is a place in the log of MariaDB: the last GTID of each domain, in log order. What came before it in its domain
// is done, and a domain that it lacks has not begun. The zero value is the log's beginning.
type domainState struct {
	last []domainGTID // sorted by domain
}

// find gives the index of a domain, or where it would be.
func (s *domainState) find(domain uint32) (int, bool) {
	return slices.BinarySearchFunc(s.last, domain, func(g domainGTID, d uint32) int { return cmp.Compare(g.domain, d) })
}

// of gives the last GTID of a domain.
func (s *domainState) of(domain uint32) (domainGTID, bool) {
	i, ok := s.find(domain)
	if !ok {
		return domainGTID{}, false
	}
	return s.last[i], true
}

// set makes g the last of its domain, whatever the number: the log's order counts.
func (s *domainState) set(g domainGTID) {
	i, ok := s.find(g.domain)
	if !ok {
		s.last = slices.Insert(s.last, i, g)
	}
	s.last[i] = g
}

// remove forgets a domain.
func (s *domainState) remove(domain uint32) {
	if i, ok := s.find(domain); ok {
		s.last = slices.Delete(s.last, i, i+1)
	}
}

func (s *domainState) put(g gtid)      { s.set(g.maria) }
func (s *domainState) holes() bool     { return false }
func (s *domainState) empty() bool     { return len(s.last) == 0 }
func (s *domainState) fork() gtidState { return s.clone() }

func (s *domainState) clone() *domainState { return &domainState{slices.Clone(s.last)} }

// ahead gives the domains of which s is not where t is.
func (s *domainState) ahead(t *domainState) domainState {
	var out domainState
	for _, g := range s.last {
		if was, ok := t.of(g.domain); !ok || was != g {
			out.last = append(out.last, g)
		}
	}
	return out
}

func (s *domainState) String() string { return string(s.appendText(nil)) }

// appendText appends the state as the server's variables have it: "0-1-5,1-2-7".
func (s *domainState) appendText(dst []byte) []byte {
	for i, g := range s.last {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = g.appendText(dst)
	}
	return dst
}

// parseDomainState reads a position, which has one GTID a domain.
func parseDomainState(text string) (*domainState, error) {
	list, err := parseDomainGTIDs(text)
	if err != nil {
		return nil, err
	}
	s := &domainState{}
	for _, g := range list {
		if old, ok := s.of(g.domain); ok {
			return nil, fmt.Errorf("%s and %s are of one domain: a position has its last one", old, g)
		}
		s.set(g)
	}
	return s, nil
}

// parseDomainGTIDs reads a list of GTIDs, of which several may be of one domain, as gtid_binlog_state has them.
func parseDomainGTIDs(text string) ([]domainGTID, error) {
	var out []domainGTID
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		g, err := parseDomainGTID(part)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func parseDomainGTID(text string) (domainGTID, error) {
	bad := fmt.Errorf("%q is not a GTID of the form domain-server-number", text)
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return domainGTID{}, bad
	}
	domain, err1 := strconv.ParseUint(parts[0], 10, 32)
	server, err2 := strconv.ParseUint(parts[1], 10, 32)
	seq, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || seq == 0 {
		return domainGTID{}, bad
	}
	return domainGTID{uint32(domain), uint32(server), seq}, nil
}
