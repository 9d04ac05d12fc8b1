package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
)

// checkedVars are variables that are looked at here alone.
var checkedVars = []string{
	"version_comment", "basedir", "aurora_version", "cloudsql_iam_authentication", "azure_server_name", "innodb_flush_log_at_trx_commit", "expire_logs_days",
	"binlog_rows_query_log_events", "binlog_annotate_row_events", "binlog_expire_logs_auto_purge", "max_binlog_total_size", "binlog_space_limit", "gtid_strict_mode", "mysql56_temporal_format", "wsrep_on",
}

// untested says so of a release of whose line none is among the tests, "" of others.
func (p product) untested() string {
	lines, names := []int{507, 800, 907}, "5.7, 8.0 and 9.7"
	if p.mariadb {
		lines, names = []int{1011, 1108}, "10.11 and 11.8"
	}
	if slices.Contains(lines, p.number/100) {
		return ""
	}
	return ", not one of those that tests run on, which are " + names
}

// settings judges the server's variables. Open stops at what is a problem here.
func settings(f *serverFacts) findings {
	var out findings
	p, v := f.product(), f.vars
	if p.mariadb {
		out.add(f.supported(), capture.Problem, "version", f.title()+p.untested(), "MariaDB is read from 10.5 on: upgrade the server.")
	} else {
		out.add(f.supported(), capture.Problem, "version", f.title()+p.untested(), "MySQL is read from 5.7 on: upgrade the server.")
	}
	out.add(v["log_bin"] == "ON", capture.Problem, "log_bin", v["log_bin"], p.switchOn())
	if format, there := v["binlog_format"]; there || f.number < 90000 {
		out.add(format == "ROW", capture.Problem, "binlog_format", format, p.setSession("binlog_format", "ROW"))
	}
	out.rows(f, p)
	updates := cmp.Or(v["log_replica_updates"], v["log_slave_updates"])
	applies := f.replica || v["wsrep_on"] == "ON"
	out.add(!applies || updates == "ON", capture.Problem, "log_replica_updates", updates,
		"The server does not log what it applies from others. "+p.restart(p.replicaUpdates(), "ON"))
	out.positions(f, p)
	out.durability(v, p)
	out.retention(f, p)
	if p.mariadb {
		out.add(v["mysql56_temporal_format"] != "OFF", capture.Warning, "mysql56_temporal_format", v["mysql56_temporal_format"],
			"Tables that are made now store times in MariaDB's older format; the log does not tell how long values with fractions of a second are there, and the stream stops at them. "+p.set("mysql56_temporal_format", "ON"))
	}
	return out
}

// statements judges whether the log has the statements that are asked for.
func (fs *findings) statements(f *serverFacts, cfg *Config) {
	name := "binlog_rows_query_log_events"
	if f.product().mariadb {
		name = "binlog_annotate_row_events"
	}
	if cfg.IncludeQuery {
		fs.add(f.vars[name] == "ON", capture.Warning, name, f.vars[name], "Rows come without their statements, which include_query asks for. "+f.product().setSession(name, "ON"))
	}
}

// rows judges what the log has of a row.
func (fs *findings) rows(f *serverFacts, p product) {
	v := f.vars
	const history = "Columns are told by the log's statements from a first look at the tables on; a table whose statements cannot be followed stops with schema_unknown. "
	switch metadata, there := v["binlog_row_metadata"]; {
	case there && metadata != "FULL" && p.hosting == azure:
		fs.add(true, capture.OK, "binlog_row_metadata", metadata+", which Azure does not let be changed; "+strings.ToLower(history[:1])+strings.TrimSuffix(history[1:], ". "), "")
	case there:
		fs.add(metadata == "FULL", capture.Warning, "binlog_row_metadata", metadata, history+"With FULL every row describes itself. "+p.setSession("binlog_row_metadata", "FULL"))
	default:
		fs.add(true, capture.OK, "binlog_row_metadata", "this release does not have it; "+strings.ToLower(history[:1])+strings.TrimSuffix(history[1:], ". "), "")
	}
	image := v["binlog_row_image"]
	fs.add(image == "FULL" || image == "FULL_NODUP", capture.Warning, "binlog_row_image", image,
		"Values that an update leaves out are read from the table, which takes a query for each such row, and may be newer than the change. "+p.setSession("binlog_row_image", "FULL"))
	if options, there := v["binlog_row_value_options"]; there {
		fs.add(!strings.Contains(options, "PARTIAL_JSON"), capture.Warning, "binlog_row_value_options", options,
			"JSON values that are logged as differences are read from the table, which takes a query for each such row. "+p.setSession("binlog_row_value_options", ""))
	}
}

// positions judges what a position is worth on another server.
func (fs *findings) positions(f *serverFacts, p product) {
	v := f.vars
	if p.mariadb {
		fs.add(v["gtid_strict_mode"] == "ON", capture.Warning, "gtid_strict_mode", v["gtid_strict_mode"],
			"A server that takes writes beside its replication can then log GTIDs out of order, and no other server can go on from there. "+p.set("gtid_strict_mode", "ON"))
		return
	}
	fs.add(f.gtids(), capture.Warning, "gtid_mode", v["gtid_mode"],
		"Positions are file and offset, good on this server only; with gtid_mode=ON a replica can take its place. "+p.gtids())
}

// durability judges what a crash of the host can take back although it was captured.
func (fs *findings) durability(v map[string]string, p product) {
	if p.hosting == aurora {
		return // its storage has settings of its own
	}
	fs.add(v["sync_binlog"] == "1", capture.Warning, "sync_binlog", v["sync_binlog"],
		"A crash of the server's host can lose transactions that were captured already, and give their GTIDs to others. "+p.set("sync_binlog", "1"))
	flush := v["innodb_flush_log_at_trx_commit"]
	fs.add(flush == "1", capture.Warning, "innodb_flush_log_at_trx_commit", flush,
		"A crash of the server's host can lose rows of transactions that the log has and that were captured. "+p.set("innodb_flush_log_at_trx_commit", "1"))
	fs.add(v["binlog_checksum"] != "NONE", capture.Warning, "binlog_checksum", v["binlog_checksum"], "Damage is not found without. "+p.set("binlog_checksum", "CRC32"))
}

// shortestRetention is the least standstill of the daemon that a log should outlive.
const shortestRetention = 3 * time.Hour

// retention judges how long the server keeps its log.
func (fs *findings) retention(f *serverFacts, p product) {
	subject, kept, detail := f.retention()
	fs.add(kept == 0 || kept >= shortestRetention, capture.Warning, subject, detail,
		"The server deletes its log after less than three hours; a longer standstill of the daemon cannot be caught up. "+p.keep())
	for _, name := range []string{"max_binlog_total_size", "binlog_space_limit"} {
		if size := f.vars[name]; size != "" && size != "0" {
			fs.add(false, capture.Warning, name, size, "The server deletes its log when it is that large, however far the daemon is: let it be enough for the longest standstill, or none. "+p.set(name, "0"))
			return // on MariaDB the two are one
		}
	}
}

// retention gives the variable that decides how long the log is kept, what it says as a time (0: for ever), and as text.
func (f *serverFacts) retention() (subject string, kept time.Duration, detail string) {
	v := f.vars
	if v["binlog_expire_logs_auto_purge"] == "OFF" {
		return "binlog_expire_logs_auto_purge", 0, "OFF"
	}
	if seconds, _ := strconv.ParseFloat(v["binlog_expire_logs_seconds"], 64); seconds > 0 {
		return "binlog_expire_logs_seconds", time.Duration(seconds * float64(time.Second)), v["binlog_expire_logs_seconds"]
	}
	if days, _ := strconv.ParseFloat(v["expire_logs_days"], 64); days > 0 {
		return "expire_logs_days", time.Duration(days * 24 * float64(time.Hour)), v["expire_logs_days"]
	}
	subject = "binlog_expire_logs_seconds"
	if _, there := v[subject]; !there {
		subject = "expire_logs_days"
	}
	return subject, 0, fmt.Sprintf("%s, which is for ever", v[subject])
}
