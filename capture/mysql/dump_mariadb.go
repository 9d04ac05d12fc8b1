package mysql

import "fmt"

const (
	// capabilityGTID makes the server send GTID events. To a client that does not say so it rewrites them.
	capabilityGTID = 4
	// flagAnnotate asks for the statements behind the rows. They are passed over, but the offsets of a release that does not
	// write them into its events are summed from the sizes of all.
	flagAnnotate = 2
)

// mariaSession makes the statement with which a dump of MariaDB is prepared. Where it begins is a variable of the session. In
// strict mode the server refuses a GTID that it does not have between its neighbours: it went another way then.
func mariaSession(period int64, p *position) string {
	sql := fmt.Sprintf("SET @master_binlog_checksum='CRC32', @master_heartbeat_period=%d, @mariadb_slave_capability=%d, @slave_gtid_strict_mode=1, @slave_gtid_ignore_duplicates=0",
		period, capabilityGTID)
	if state := p.beginDomains(); state != nil {
		sql += ", @slave_connect_state=" + quote(state.String())
	}
	return sql
}

// beginDomains is where a position of MariaDB makes reading begin, nil for one without GTIDs.
func (p *position) beginDomains() *domainState {
	state, _ := p.gtids.(*domainState)
	if p.resume != nil && p.resume.gtids != nil {
		state = p.resume.gtids
	}
	return state
}

// mariaDumpCommand makes COM_BINLOG_DUMP. With GTIDs the server finds the file by itself.
func mariaDumpCommand(serverID uint32, p *position) []byte {
	if p.beginDomains() != nil {
		return fileDumpCommand(serverID, logPlace{"", 4}, flagAnnotate)
	}
	return fileDumpCommand(serverID, p.begin(), flagAnnotate)
}
