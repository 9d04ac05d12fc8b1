package mysql

import (
	"fmt"
	"strings"
)

// product is what decides how a setting of the server is changed and how a right is given: its vendor, its release, and who
// runs it.
type product struct {
	mariadb bool
	number  int // as in serverFacts
	hosting hosting
}

// hosting is who runs a server, as far as its variables tell. What it decides is the remedy alone, never how the log is read.
type hosting uint8

const (
	selfRun  hosting = iota
	rds              // Amazon RDS for MySQL or MariaDB
	aurora           // Amazon Aurora MySQL
	cloudSQL         // Google Cloud SQL for MySQL
	azure            // Azure Database for MySQL
)

var hostings = [...]string{selfRun: "", rds: "Amazon RDS", aurora: "Amazon Aurora", cloudSQL: "Google Cloud SQL", azure: "Azure Database for MySQL"}

// product finds out from the variables that validate asks for.
func (f *serverFacts) product() product {
	return product{mariadb: f.mariadb, number: f.number, hosting: f.hosting()}
}

func (f *serverFacts) hosting() hosting {
	about := strings.ToLower(f.version + " " + f.vars["version_comment"])
	switch {
	case f.vars["aurora_version"] != "":
		return aurora
	case strings.HasPrefix(f.vars["basedir"], "/rdsdbbin"):
		return rds
	case strings.Contains(about, "google") || f.vars["cloudsql_iam_authentication"] != "":
		return cloudSQL
	case strings.Contains(about, "azure") || f.vars["azure_server_name"] != "":
		return azure
	}
	return selfRun
}

// set says how to change a variable that takes effect without a restart.
func (p product) set(name, value string) string {
	if value == "" {
		value = "''"
	}
	switch {
	case p.hosting != selfRun:
		return p.console(name, strings.Trim(value, "'")) + "."
	case p.persists():
		return fmt.Sprintf("Run SET PERSIST %s = %s.", name, value)
	}
	return fmt.Sprintf("Run SET GLOBAL %s = %s, and put %s = %s under [mysqld] into the server's option file so that it stays.", name, value, name, strings.Trim(value, "'"))
}

// setSession is set for a variable that each session takes over when it begins.
func (p product) setSession(name, value string) string {
	return p.set(name, value) + " Sessions that are open keep the old value until they reconnect, and what is logged stays as it is."
}

// restart says how to change a variable that is read when the server starts.
func (p product) restart(name, value string) string {
	if p.hosting != selfRun {
		return p.console(name, value) + " and restart it."
	}
	return fmt.Sprintf("Put %s = %s under [mysqld] into the server's option file and restart it.", name, value)
}

// persists reports a server that keeps what SQL sets.
func (p product) persists() bool { return !p.mariadb && p.number >= 80000 }

// console says where a managed server has its variables. An empty value is said in words.
func (p product) console(name, value string) string {
	if value == "" {
		value = "the empty text"
	}
	switch p.hosting {
	case rds:
		return fmt.Sprintf("Set %s to %s in the instance's own DB parameter group (the default group cannot be changed)", name, value)
	case aurora:
		return fmt.Sprintf("Set %s to %s in the cluster's own DB cluster parameter group (the default group cannot be changed)", name, value)
	case cloudSQL:
		return fmt.Sprintf("Set the database flag %s of the instance to %s", name, value)
	}
	return fmt.Sprintf("Set the server parameter %s to %s", name, value)
}

// switchOn says how to have the server write a log at all.
func (p product) switchOn() string {
	switch p.hosting {
	case rds:
		return "Switch automated backups of the instance on (a retention of one day or more): RDS then writes a binary log."
	case aurora:
		return "Set binlog_format to ROW in the cluster's own DB cluster parameter group, restart the writer, and connect to the cluster's endpoint: readers have no binary log."
	case cloudSQL:
		return "Enable point-in-time recovery of the instance (gcloud sql instances patch INSTANCE --enable-bin-log)."
	case azure:
		return "Azure writes a binary log on every server: connect to the server itself, not to a proxy or a replica without one."
	}
	if p.persists() {
		return "Remove skip-log-bin and disable-log-bin from the server's option file, put log_bin = binlog there, and restart it."
	}
	return "Put log_bin = binlog, server_id with a number of its own, and binlog_format = ROW under [mysqld] into the server's option file and restart it."
}

// replicaUpdates is the release's name of the variable.
func (p product) replicaUpdates() string {
	if p.mariadb || p.number < 80026 {
		return "log_slave_updates"
	}
	return "log_replica_updates"
}

// gtids says how to switch GTIDs on.
func (p product) gtids() string {
	switch p.hosting {
	case rds, aurora:
		return p.console("gtid-mode", "ON") + ", enforce_gtid_consistency to ON too, and restart it."
	case cloudSQL:
		return "Cloud SQL for MySQL has GTIDs on: connect to the instance itself."
	case azure:
		return "Set the server parameter enforce_gtid_consistency to ON, then gtid_mode to OFF_PERMISSIVE, ON_PERMISSIVE and ON, one after the other."
	}
	how := "SET PERSIST"
	if !p.persists() {
		how = "SET GLOBAL"
	}
	text := fmt.Sprintf("Run %s enforce_gtid_consistency = ON, then %s gtid_mode = OFF_PERMISSIVE, = ON_PERMISSIVE and = ON, one after the other, on each server of the topology in turn.", how, how)
	if !p.persists() {
		text += " Put gtid_mode = ON and enforce_gtid_consistency = ON under [mysqld] into the option file too."
	}
	return text
}

// keep says how to keep the log for a week.
func (p product) keep() string {
	switch p.hosting {
	case rds, aurora:
		return "Run CALL mysql.rds_set_configuration('binlog retention hours', 168)."
	case cloudSQL:
		return "Set the days of transaction logs of the instance to 7 (gcloud sql instances patch INSTANCE --retained-transaction-log-days=7), and remove the flags expire_logs_days and binlog_expire_logs_seconds where they say less."
	}
	if p.mariadb && p.number < 100601 || !p.mariadb && p.number < 80000 {
		return p.set("expire_logs_days", "7")
	}
	return p.set("binlog_expire_logs_seconds", "604800")
}
