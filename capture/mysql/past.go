package mysql

// past knows which transactions are done although the server sends them: where reading begins before the position, because of
// a prepared XA transaction, or where the server goes by file and offset and has to begin at the front of a file. They count
// for what they prepare or settle and for nothing else. The zero value says that none is done.
type past struct {
	until   *logPlace    // file:pos: transactions that begin before it
	done    *gtidSet     // and those that it has; nil: none
	ahead   domainState  // MariaDB: in each of these domains all up to this one
	reading *domainState // MariaDB: where reading is; nil: where the position is
}

// pastOf begins with what a position says.
func pastOf(p *position) past {
	done, maria := p.gtids.(*domainState)
	switch {
	case p.gtids == nil:
		return past{until: &logPlace{p.file, p.pos}, done: p.done}
	case !maria || p.resume == nil || p.resume.gtids == nil:
		return past{}
	}
	ahead := done.ahead(p.resume.gtids)
	if ahead.empty() {
		return past{}
	}
	return past{ahead: ahead, reading: p.resume.gtids.clone()}
}

// over reports that all that comes is new.
func (p *past) over() bool { return p.until == nil && p.reading == nil }

// covers reports whether the transaction that begins at a place is done.
func (p *past) covers(g gtid, at logPlace) bool {
	if p.until != nil {
		if at.file != p.until.file || at.pos < p.until.pos {
			return true
		}
		p.until = nil
	}
	if p.done != nil && p.done.contains(g.gtidSource, g.gno) {
		return true
	}
	_, done := p.ahead.of(g.maria.domain)
	return done
}

// end says that a transaction has ended.
func (p *past) end(g gtid) {
	if p.reading == nil {
		return
	}
	p.reading.set(g.maria)
	if last, ok := p.ahead.of(g.maria.domain); ok && last == g.maria {
		p.ahead.remove(g.maria.domain)
	}
	if p.ahead.empty() {
		p.reading = nil
	}
}

// leave says that a file has ended: nothing was left in the file of a position.
func (p *past) leave(file string) {
	if p.until != nil && p.until.file == file {
		p.until = nil
	}
}

// beforeTxn is where reading must begin for the current transaction to come again.
func (s *stream) beforeTxn() resumePoint {
	at := resumePoint{logPlace: s.txn.at}
	if now, ok := s.pos.gtids.(*domainState); ok {
		if s.past.reading != nil {
			now = s.past.reading
		}
		at.gtids = now.clone()
	}
	return at
}
