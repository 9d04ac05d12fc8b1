package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/internal/fault"
)

// serverFacts is what a server says of itself, read at one moment.
type serverFacts struct {
	version  string
	mariadb  bool
	number   int               // 80031 for 8.0.31, 101118 for MariaDB 10.11.18
	vars     map[string]string // the variables that wantedVars names; those that the release does not have are missing
	executed gtidSet           // gtid_executed and gtid_owned: all that the log shows
	purged   gtidSet           // what the log no longer shows
	maria    mariaFacts        // instead of both, on MariaDB
	status   logPlace          // where the next event will be written
	doDB     string            // binlog_do_db
	ignoreDB string            // binlog_ignore_db
	logs     []logFile         // oldest first
	replica  bool              // it applies the changes of another server
}

type logFile struct {
	name string
	size uint64
}

var wantedVars = []string{
	"server_uuid", "log_bin", "binlog_format", "binlog_row_image", "binlog_row_metadata", "binlog_row_value_options", "gtid_mode",
	"log_replica_updates", "log_slave_updates", "sync_binlog", "binlog_checksum", "binlog_expire_logs_seconds",
	"innodb_native_foreign_keys", "lower_case_table_names", "replica_parallel_workers", "read_only",
	"server_uid", "server_id", "hostname", "port", "expire_logs_days", "log_bin_compress", "encrypt_binlog", "gtid_strict_mode",
}

// supported reports a release that this package can read: older ones have other logs, or other statements to ask about them.
func (f *serverFacts) supported() bool {
	if f.mariadb {
		return f.number >= 100500
	}
	return f.number >= 50700
}

// disguise stands before the version of MariaDB 10, for old clients.
const disguise = "5.5.5-"

// title is the product and its version for people.
func (f *serverFacts) title() string {
	if f.mariadb {
		return "MariaDB " + strings.TrimPrefix(f.version, disguise)
	}
	return "MySQL " + f.version
}

// uuid names the server: its server_uuid, or on MariaDB, which has none, what identityOf makes of its variables.
func (f *serverFacts) uuid() string { return f.vars["server_uuid"] }

// origin is the product as tables name it.
func (f *serverFacts) origin() string {
	if f.mariadb {
		return productMariaDB
	}
	return "mysql"
}

// bareJSON reports a server that prints the double 1.0 of a JSON document as 1.
func (f *serverFacts) bareJSON() bool { return !f.mariadb && f.number < 80000 }

// gtids reports that every transaction has a GTID and keeps having one. On MariaDB that cannot be switched off.
func (f *serverFacts) gtids() bool { return f.mariadb || f.vars["gtid_mode"] == "ON" }

// logsCascades reports a server that logs the rows which its foreign keys change. Releases without the variable leave
// cascades to InnoDB, where the log does not see them.
func (f *serverFacts) logsCascades() bool { return f.vars["innodb_native_foreign_keys"] == "OFF" }

// readFacts asks the server. A missing grant is a fault with its code; what cannot be asked because the binary log is off is
// left out.
func (c *conn) readFacts(ctx context.Context) (*serverFacts, error) {
	f := &serverFacts{version: c.version, mariadb: c.mariadb, number: versionNumber(c.version), vars: map[string]string{}}
	err := c.during(ctx, func() error {
		if err := c.readVariables(f); err != nil {
			return err
		}
		if f.vars["log_bin"] != "ON" || !f.supported() {
			return nil
		}
		for _, read := range []func(*serverFacts) error{c.readSets, c.readStatus, c.readLogs, c.readDomains, c.readReplica} {
			if err := read(f); err != nil {
				return err
			}
		}
		return nil
	})
	return f, c.withGrants(ctx, err)
}

func (c *conn) readVariables(f *serverFacts) error {
	rows, err := c.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('" + strings.Join(slices.Concat(wantedVars, checkedVars), "','") + "')")
	if err != nil {
		return err
	}
	for _, r := range rows {
		f.vars[r[0]] = r[1]
	}
	if f.mariadb {
		f.vars["server_uuid"] = identityOf(f.vars)
	}
	if f.uuid() == "" {
		return fault.New(fault.Source, "reading the server's variables", fmt.Errorf("there is no server_uuid in %d of them", len(rows)), "")
	}
	return nil
}

// readSets reads the owned set first: a transaction that moves from there to gtid_executed meanwhile is seen in both.
func (c *conn) readSets(f *serverFacts) error {
	if c.mariadb {
		return nil // readDomains
	}
	for _, v := range []struct {
		name string
		into *gtidSet
	}{{"gtid_owned", &f.executed}, {"gtid_executed", &f.executed}, {"gtid_purged", &f.purged}} {
		rows, err := c.query("SELECT @@GLOBAL." + v.name)
		if err != nil {
			return err
		}
		parse := parseGTIDSet
		if v.name == "gtid_owned" {
			parse = parseOwned
		}
		set, err := parse(rows[0][0])
		if err != nil {
			return fault.New(fault.Source, "reading "+v.name, err, "")
		}
		v.into.addSet(&set)
	}
	return nil
}

func (c *conn) readStatus(f *serverFacts) error {
	sql := "SHOW BINARY LOG STATUS"
	if c.mariadb || f.number < 80200 {
		sql = "SHOW MASTER STATUS"
	}
	rows, err := c.query(sql)
	if err != nil || len(rows) == 0 {
		return err
	}
	f.status.file = rows[0][0]
	f.doDB, f.ignoreDB = rows[0][2], rows[0][3]
	f.status.pos, err = parseOffset(rows[0][1])
	return err
}

func (c *conn) readLogs(f *serverFacts) error {
	rows, err := c.query("SHOW BINARY LOGS")
	if err != nil {
		return err
	}
	for _, r := range rows {
		size, err := parseOffset(r[1])
		if err != nil {
			return err
		}
		f.logs = append(f.logs, logFile{r[0], size})
	}
	return nil
}

func (c *conn) readReplica(f *serverFacts) error {
	if c.mariadb {
		return c.readMariaReplica(f)
	}
	sql := "SHOW REPLICA STATUS"
	if f.number < 80022 {
		sql = "SHOW SLAVE STATUS"
	}
	rows, err := c.query(sql)
	f.replica = len(rows) > 0
	if err != nil {
		return err
	}
	// This one needs REPLICATION SLAVE, which is what a dump needs.
	sql = "SHOW REPLICAS"
	if f.number < 80022 {
		sql = "SHOW SLAVE HOSTS"
	}
	_, err = c.query(sql)
	return err
}

func parseOffset(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Source, "reading an offset", err, "")
	}
	return n, nil
}

// versionNumber makes 80031 of "8.0.31-log"; 0 of what it cannot read.
func versionNumber(v string) int {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, disguise), "-")
	n := 0
	parts := strings.Split(v, ".")
	for i := range 3 {
		d := 0
		if i < len(parts) {
			d, _ = strconv.Atoi(parts[i])
		}
		n = n*100 + min(d, 99)
	}
	return n
}
