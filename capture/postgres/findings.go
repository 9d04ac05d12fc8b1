package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

const area = "postgres"

// findings collects what a look at the server has found. Open stops at its problems, validate prints all.
type findings []capture.Finding

func (fs *findings) ok(subject, detail string) {
	*fs = append(*fs, capture.Finding{Area: area, Subject: subject, Detail: detail, Severity: capture.OK})
}

func (fs *findings) warn(subject, detail, remedy string) {
	*fs = append(*fs, capture.Finding{Area: area, Subject: subject, Detail: detail, Severity: capture.Warning, Remedy: remedy})
}

func (fs *findings) bad(code fault.Code, subject, detail, remedy string) {
	*fs = append(*fs, capture.Finding{Area: area, Subject: subject, Detail: detail, Severity: capture.Problem, Remedy: remedy, Code: string(code)})
}

// fault makes a problem of a fault; another error comes back.
func (fs *findings) fault(subject string, err error) error {
	f, err := capture.ProblemOf(area, subject, err)
	if err == nil {
		*fs = append(*fs, f)
	}
	return err
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
		details = append(details, f.Subject+": "+f.Detail)
		if !slices.Contains(remedies, f.Remedy) {
			remedies = append(remedies, f.Remedy)
		}
	}
	if code == "" {
		return nil
	}
	return fault.NewFinal(fault.Code(code), "checking the server", errors.New(strings.Join(details, "; ")), strings.Join(remedies, " "))
}

const standbyHint = "Changes must be read from the primary: a standby shows no running transactions, and its slot ends at its promotion. Point host at the primary; one that is being promoted serves soon."

// settings judges what the server says of itself against what the configuration needs.
func (fs *findings) settings(f *serverFacts, cfg *Config) {
	if f.number < oldestServer {
		fs.bad(fault.SourceSettings, "version", f.version, "This release captures PostgreSQL 15 and later only.")
	} else {
		fs.ok("version", f.version)
	}
	if level := f.settings["wal_level"]; level != "logical" {
		fs.bad(fault.SourceSettings, "wal_level", level, "As a superuser run ALTER SYSTEM SET wal_level = logical, and restart the server.")
	} else {
		fs.ok("wal_level", level)
	}
	if f.standby {
		fs.bad(fault.SourceSettings, "recovery", "the server is a standby", standbyHint)
	}
	if cfg.Failover && f.number < failoverSince {
		fs.bad(fault.Config, "failover", "failover slots come with PostgreSQL 17", "Set failover to false.")
	}
	if cfg.Origin != originAny && f.number < originSince {
		fs.bad(fault.Config, "origin", "the server sends all origins before PostgreSQL 16", "Set origin to any.")
	}
}

// hazards judges settings that nothing stops at.
func (fs *findings) hazards(f *serverFacts, cfg *Config, application string) {
	const ms = int64(time.Millisecond)
	switch timeout := time.Duration(f.integer("wal_sender_timeout", 60_000) * ms); {
	case timeout == 0:
		fs.warn("wal_sender_timeout", "0", "The server never gives a dead connection up, so the slot stays in use after a cut network: set wal_sender_timeout to 60s.")
	case timeout < 3*cfg.HeartbeatInterval:
		fs.warn("wal_sender_timeout", timeout.String(), "Raise it, or lower heartbeat_interval: the server ends connections that say nothing for that long.")
	default:
		fs.ok("wal_sender_timeout", timeout.String())
	}
	if n := f.integer("idle_replication_slot_timeout", 0); n > 0 {
		fs.warn("idle_replication_slot_timeout", fmt.Sprintf("%ds", n), "A standstill of the daemon for that long loses the slot: set it above the longest standstill.")
	}
	if f.settings["fsync"] == "off" {
		fs.warn("fsync", "off", "After a crash the server may lack changes that are in the target already. Set fsync to on.")
	}
	if syncNames(f.settings["synchronous_standby_names"], application) {
		fs.warn("synchronous_standby_names", f.settings["synchronous_standby_names"],
			"It counts this pipeline as a synchronous standby, so commits wait for Kafka, and for ever when the daemon stands. Name the real standbys instead.")
	}
	if cfg.Failover && f.settings["synchronized_standby_slots"] == "" && f.number >= failoverSince {
		fs.warn("synchronized_standby_slots", "empty", "The stream may be ahead of the standbys, and a promoted one lacks what is in the target then (diverged). Name the physical slots of the standbys there.")
	}
}

// syncNames reports that synchronous_standby_names covers an application. Names compare without case.
func syncNames(setting, application string) bool {
	setting = strings.ToLower(setting)
	return strings.Contains(setting, "*") || strings.Contains(setting, `"`+strings.ToLower(application)+`"`)
}

// tables judges the captured tables: whether the log can tell their rows apart, and whether all that matches can be captured.
func (fs *findings) tables(cfg *Config, ts *tables) {
	for _, f := range ts.wanted {
		leaves := slices.DeleteFunc(slices.Clone(ts.parts[f.oid]), func(p *tableFacts) bool { return p.kind != 'r' })
		if len(leaves) == 0 {
			leaves = []*tableFacts{f}
		}
		good := len(*fs)
		for _, leaf := range leaves {
			fs.identity(f, leaf)
		}
		fs.columns(cfg, f, leaves)
		if len(*fs) == good {
			fs.ok("table "+f.full(), fmt.Sprintf("replica identity %s", identityWord(f.identity)))
		}
		if len(f.key) == 0 && f.identity == 'f' {
			fs.warn("table "+f.full(), "it has no primary key and no unique key without nullable columns", "Add a primary key, or leave the table out of upsert outputs.")
		}
	}
	for _, f := range ts.unreachable {
		detail, remedy := "it is "+f.nature()+": its changes are in no log", "Leave it out by exclude_tables; an unlogged table is logged after ALTER TABLE "+f.sql()+" SET LOGGED."
		if slices.Contains(cfg.Tables, f.full()) {
			fs.bad(fault.SourceSettings, "table "+f.full(), detail, remedy)
		} else {
			fs.warn("table "+f.full(), detail, remedy)
		}
	}
	for _, f := range ts.excluded {
		fs.warn("table "+f.full(), "it is excluded and a part of a captured table", "Its rows come under the partitioned table's name. Set publish_via_partition_root to false to tell partitions apart.")
	}
}

// identity judges how old rows of a table, or of one leaf of it, are logged.
func (fs *findings) identity(f, leaf *tableFacts) {
	alter := "ALTER TABLE " + leaf.sql() + " REPLICA IDENTITY "
	subject := "table " + leaf.full()
	switch {
	case !leaf.identified() && len(leaf.key) == 0:
		fs.bad(fault.NoKey, subject, "it has no primary key, so the server would refuse updates and deletes of it once it is published",
			"Add a primary key; or run "+alter+"FULL, which changelog outputs can use; or leave the table out by exclude_tables.")
	case !leaf.identified() && leaf.index == "":
		fs.bad(fault.SourceSettings, subject, "its replica identity is "+identityWord(leaf.identity)+", so the server would refuse updates and deletes of it once it is published", "Run "+alter+"DEFAULT.")
	case !leaf.identified():
		fs.bad(fault.SourceSettings, subject, "its replica identity is "+identityWord(leaf.identity)+" and it has no primary key, so the server would refuse updates and deletes of it once it is published",
			"Run "+alter+"USING INDEX "+leaf.index+".")
	case !leaf.logs(f.key):
		fs.bad(fault.NoKey, subject, fmt.Sprintf("its replica identity logs %s of an old row and the key is %s: a change of the key would go unseen", strings.Join(leaf.identify, ", "), strings.Join(f.key, ", ")),
			"Run "+alter+"DEFAULT, or "+alter+"FULL.")
	}
}

// columns judges a list of published columns: the server refuses updates of a table whose list lacks the replica identity.
func (fs *findings) columns(cfg *Config, f *tableFacts, leaves []*tableFacts) {
	p := cfg.published(f)
	if p == nil || len(p.Columns) == 0 {
		return
	}
	var have []string
	for _, c := range f.columns {
		have = append(have, c.name)
	}
	if !containsAll(have, p.Columns) {
		fs.bad(fault.Config, "table "+f.full(), "publish names columns that it does not have: "+strings.Join(p.Columns, ", "), "It has "+strings.Join(have, ", ")+".")
		return
	}
	for _, leaf := range leaves {
		if !containsAll(p.Columns, leaf.identify) {
			fs.bad(fault.Config, "table "+f.full(), fmt.Sprintf("publish leaves out columns of the replica identity (%s), so the server would refuse updates and deletes", strings.Join(leaf.identify, ", ")),
				"Add them to the list of columns.")
			return
		}
	}
}

// nature says what a table is that cannot be captured.
func (f *tableFacts) nature() string {
	if f.kind == 'f' {
		return "a foreign table"
	}
	return "an unlogged table"
}

func identityWord(c byte) string {
	switch c {
	case 'd':
		return "DEFAULT"
	case 'n':
		return "NOTHING"
	case 'f':
		return "FULL"
	case 'i':
		return "USING INDEX"
	}
	return string(c)
}
