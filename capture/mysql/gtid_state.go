package mysql

import "strconv"

// gtid names a transaction: by source and number on MySQL, by domain, server and sequence number on MariaDB. The zero value
// names none.
type gtid struct {
	gtidSource
	gno   int64
	maria domainGTID
}

// none reports a transaction without GTID.
func (g gtid) none() bool { return g.gno == 0 && g.maria.seq == 0 }

// appendText appends it as the server prints it: "uuid:5", "uuid:tag:5" or "0-1-5".
func (g gtid) appendText(dst []byte) []byte {
	if g.maria.seq > 0 {
		return g.maria.appendText(dst)
	}
	return strconv.AppendInt(g.gtidSource.appendText(dst), g.gno, 10)
}

// appendText appends what stands before the number.
func (s gtidSource) appendText(dst []byte) []byte {
	dst = append(appendUUID(dst, s.uuid), ':')
	if s.tag != "" {
		dst = append(append(dst, s.tag...), ':')
	}
	return dst
}

// txnNames renders the names of transactions in turn. Those of one source differ in their numbers only.
type txnNames struct {
	source gtidSource // of the last GTID
	text   []byte     // that GTID
	number int        // where its number begins; 0: there was none
}

// of gives the transaction's id, as Txn.ID has it, until the next call.
func (n *txnNames) of(t *txn) []byte {
	switch {
	case t.gtid.gno == 0:
		n.number = 0
		n.text = t.appendName(n.text[:0])
		return n.text
	case n.number == 0 || n.source != t.gtid.gtidSource:
		n.source = t.gtid.gtidSource
		n.text = n.source.appendText(n.text[:0])
		n.number = len(n.text)
	}
	n.text = strconv.AppendInt(n.text[:n.number], t.gtid.gno, 10)
	return n.text
}

// gtidState is what a position says is done, in terms of GTIDs: a *gtidSet on MySQL, a *domainState on MariaDB. It is used by
// one goroutine.
type gtidState interface {
	// put says that one more transaction is done, the next one in log order.
	put(g gtid)
	// holes reports whether an earlier transaction may stay out, so that the server sends it again. Where not, the state is a
	// place in the log, and one that lies before that transaction has to be kept beside it.
	holes() bool
	// fork is a copy of its own.
	fork() gtidState
	empty() bool
	appendText(dst []byte) []byte
	String() string
}

var _ gtidState = (*gtidSet)(nil)
var _ gtidState = (*domainState)(nil)

func (s *gtidSet) put(g gtid)  { s.add(g.gtidSource, g.gno) }
func (s *gtidSet) holes() bool { return true }
func (s *gtidSet) fork() gtidState {
	c := s.clone()
	return &c
}

// parseGTIDState reads the text form of either product.
func parseGTIDState(mariadb bool, text string) (gtidState, error) {
	if mariadb {
		state, err := parseDomainState(text)
		if err != nil {
			return nil, err
		}
		return state, nil
	}
	set, err := parseGTIDSet(text)
	if err != nil {
		return nil, err
	}
	return &set, nil
}
