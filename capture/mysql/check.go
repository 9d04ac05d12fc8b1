package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// checker is the preflight of a server.
type checker struct {
	cfg *Config
	env capture.Env
}

// Check returns all findings, of several hosts each with the host's name. A server that cannot be reached or refuses the account
// is a finding too.
func (k *checker) Check(ctx context.Context) ([]capture.Finding, error) {
	filter, err := capture.NewFilter(k.cfg.Tables, k.cfg.ExcludeTables)
	if err != nil {
		return nil, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	var all []capture.Finding
	for _, one := range k.cfg.endpoints() {
		found, err := k.checkServer(ctx, one, filter)
		if len(k.cfg.Hosts) > 0 {
			for i := range found {
				found[i].Subject += " at " + one.addr()
			}
		}
		if all = append(all, found...); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (k *checker) checkServer(ctx context.Context, cfg *Config, filter *capture.Filter) ([]capture.Finding, error) {
	c, err := connect(ctx, cfg)
	if err != nil {
		return foundFault("connection", err)
	}
	defer c.raw.Close()
	out := findings{{Area: area, Subject: "connection", Detail: (&serverFacts{version: c.version, mariadb: c.mariadb}).title(), Severity: capture.OK}}
	facts, err := c.readFacts(ctx)
	if err != nil {
		more, err := foundFault("grants", err)
		return append(out, more...), err
	}
	out = append(out, settings(facts)...)
	cat := catalog{c, filter}
	tables, err := cat.tables(ctx, nil)
	if err != nil {
		more, err := foundFault("tables", err)
		return append(out, more...), err
	}
	out.tables(facts, tables)
	if k.env.Snapshot && !k.cfg.SnapshotLock {
		out.snapshots(facts, tables)
	}
	if facts.logsCascades() {
		return out, nil
	}
	cascades, err := cat.cascades(ctx)
	if err != nil {
		return out, err
	}
	return out, out.cascades(cascades, k.cfg.AcceptFKCascade)
}

const area = "mysql"

// foundFault makes a finding of a fault and leaves other errors as they are.
func foundFault(subject string, err error) ([]capture.Finding, error) {
	f := fault.As(err)
	if f == nil {
		return nil, err
	}
	detail := f.Op
	if f.Err != nil {
		detail += ": " + f.Err.Error()
	}
	return []capture.Finding{{Area: area, Subject: subject, Detail: detail, Severity: capture.Problem, Remedy: f.Hint, Code: string(f.Code)}}, nil
}

type findings []capture.Finding

func (fs *findings) add(ok bool, bad capture.Severity, subject, detail, remedy string) {
	f := capture.Finding{Area: area, Subject: subject, Detail: detail, Severity: capture.OK}
	if !ok {
		f.Severity, f.Remedy = bad, remedy
		if bad == capture.Problem {
			f.Code = string(fault.SourceSettings)
		}
	}
	*fs = append(*fs, f)
}

// settings judges the server's variables. Open stops at what is a problem here.
func settings(f *serverFacts) findings {
	var out findings
	v := f.vars
	out.add(f.supported(), capture.Problem, "version", f.title(), "This release captures MySQL 5.7 and later and MariaDB 10.5 and later.")
	out.add(v["log_bin"] == "ON", capture.Problem, "log_bin", v["log_bin"], "Remove skip-log-bin and disable-log-bin from the server's configuration, set log_bin=binlog, and restart it.")
	for _, want := range []struct{ name, value string }{{"binlog_format", "ROW"}, {"binlog_row_image", "FULL"}} {
		out.add(v[want.name] == want.value, capture.Problem, want.name, v[want.name],
			fmt.Sprintf("Run SET PERSIST %s = %s and let sessions reconnect. Rows that were logged before stay as they were.", want.name, want.value))
	}
	if metadata, ok := v["binlog_row_metadata"]; ok {
		out.add(metadata == "FULL", capture.Warning, "binlog_row_metadata", metadata, "Run SET GLOBAL binlog_row_metadata = FULL, so that the log describes the tables.")
	}
	out.add(!strings.Contains(v["binlog_row_value_options"], "PARTIAL_JSON"), capture.Problem, "binlog_row_value_options", v["binlog_row_value_options"],
		"Run SET PERSIST binlog_row_value_options = '' and let sessions reconnect.")
	updates := v["log_replica_updates"] + v["log_slave_updates"] // an older release has both
	out.add(!f.replica || strings.HasPrefix(updates, "ON"), capture.Problem, "log_replica_updates", updates,
		"The server is a replica and does not log what it applies: set log_replica_updates=ON in its configuration and restart it.")
	out.add(f.gtids(), capture.Warning, "gtid_mode", v["gtid_mode"],
		"Positions are file and offset, good on this server only. Run the steps to gtid_mode=ON, so that a replica can take its place.")
	out.add(v["sync_binlog"] == "1", capture.Warning, "sync_binlog", v["sync_binlog"],
		"Run SET PERSIST sync_binlog = 1: else a crash of the server's host can lose transactions that were captured already, and give their GTIDs to others.")
	out.add(v["binlog_checksum"] != "NONE", capture.Warning, "binlog_checksum", v["binlog_checksum"], "Run SET PERSIST binlog_checksum = CRC32, so that damage is found.")
	expire, ok := v["binlog_expire_logs_seconds"]
	out.add(!ok || expire == "0" || len(expire) > 4, capture.Warning, "binlog_expire_logs_seconds", expire,
		"The server deletes its log after less than three hours; a longer standstill of the daemon cannot be caught up. Run SET PERSIST binlog_expire_logs_seconds = 604800.")
	return out
}

// tables judges what the catalogue shows of the captured tables.
func (fs *findings) tables(f *serverFacts, tables map[tableName]*tableFacts) {
	fs.add(len(tables) > 0, capture.Warning, "tables", fmt.Sprintf("%d tables are captured", len(tables)),
		"No table that this account can see matches tables: check the patterns, and GRANT SELECT on the tables.")
	for _, name := range sortedNames(tables) {
		t := tables[name]
		if len(t.key) == 0 {
			fs.add(false, capture.Warning, "table "+name.String(), "it has no primary key and no unique key without nullable columns", "Add a primary key, or leave the table out of upsert outputs.")
		}
		if !t.transactional() {
			fs.add(false, capture.Warning, "table "+name.String(), "its engine is "+t.engine, "Rows of this engine are visible before they are logged, and a crash can leave them unlogged. Run ALTER TABLE … ENGINE=InnoDB.")
		}
		if filteredOut(f, name.database) {
			fs.add(false, capture.Problem, "table "+name.String(), "binlog_do_db or binlog_ignore_db keeps its database out of the log",
				"Remove binlog_do_db and binlog_ignore_db from the server's configuration and restart it.")
		}
	}
	if f.doDB+f.ignoreDB != "" {
		fs.add(false, capture.Warning, "binlog_do_db, binlog_ignore_db", f.doDB+" / "+f.ignoreDB, "Some databases are not logged: tables made there later cannot be captured.")
	}
}

// snapshots judges what reading the tables without locks would stop at.
func (fs *findings) snapshots(f *serverFacts, tables map[tableName]*tableFacts) {
	if !f.gtids() {
		fs.add(false, capture.Problem, "snapshot", "gtid_mode is "+f.vars["gtid_mode"]+", and without GTIDs tables are read under locks only", "Set the server to gtid_mode=ON, set snapshot_lock: true, or set snapshot.mode: never.")
	}
	for _, name := range sortedNames(tables) {
		if t := tables[name]; !strings.EqualFold(t.engine, "InnoDB") {
			fs.add(false, capture.Problem, "snapshot of "+name.String(), "its engine is "+t.engine+", whose rows are visible before they are logged",
				"Run ALTER TABLE … ENGINE=InnoDB, set snapshot_lock: true, or leave it out of the snapshot.")
		}
	}
}

func sortedNames(tables map[tableName]*tableFacts) []tableName {
	var names []tableName
	for n := range tables {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b tableName) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// filteredOut reports a database that the server does not log.
func filteredOut(f *serverFacts, database string) bool {
	if f.doDB != "" {
		return !slices.Contains(strings.Split(f.doDB, ","), database)
	}
	return slices.Contains(strings.Split(f.ignoreDB, ","), database)
}

func (fs *findings) cascades(cs []cascade, accept []string) error {
	bad, err := unaccepted(slices.Clone(cs), accept)
	if err != nil {
		return err
	}
	for _, c := range cs {
		f := capture.Finding{Area: area, Subject: "table " + c.table.String(), Detail: "foreign key " + c.constraint + " " + c.rules, Severity: capture.Warning,
			Remedy: "Accepted by accept_fk_cascade: rows that this foreign key changes stay as they were in the topic."}
		if slices.Contains(bad, c) {
			f.Severity, f.Remedy, f.Code = capture.Problem, cascadeHint, string(fault.FKCascade)
		}
		*fs = append(*fs, f)
	}
	return nil
}

// problems makes one fault of all findings that are problems, nil when there is none. The first one gives the code.
func (fs findings) problems() error {
	var details, remedies []string
	code := ""
	for _, f := range fs {
		if f.Severity != capture.Problem {
			continue
		}
		if code == "" {
			code = f.Code
		}
		details = append(details, fmt.Sprintf("%s is %q", f.Subject, f.Detail))
		remedies = append(remedies, f.Remedy)
	}
	if code == "" {
		return nil
	}
	return fault.NewFinal(fault.Code(code), "checking the server's settings", errors.New(strings.Join(details, ", ")), strings.Join(remedies, " "))
}
