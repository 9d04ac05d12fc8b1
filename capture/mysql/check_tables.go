package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// tables judges what the catalogue shows of the captured tables. Open stops at what is a problem here.
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
		for _, c := range t.described() {
			if oldFraction(c.ColumnType) {
				fs.add(false, capture.Problem, "table "+name.String(), "column "+c.Name+" is "+c.ColumnType+": the log does not tell how long its values are",
					"Run SET GLOBAL mysql56_temporal_format = ON, then ALTER TABLE "+name.sql()+" FORCE.")
				break // the statement rewrites them all
			}
		}
	}
	if f.doDB+f.ignoreDB != "" {
		fs.add(false, capture.Warning, "binlog_do_db, binlog_ignore_db", f.doDB+" / "+f.ignoreDB, "Some databases are not logged: tables made there later cannot be captured.")
	}
}

// oldFraction reports a TIME, DATETIME or TIMESTAMP with fractions of a second in the format of MariaDB before
// mysql56_temporal_format. TABLE_MAP has the same type for it as for one without fractions, which is of another length.
func oldFraction(columnType string) bool {
	typ, comment, _ := strings.Cut(columnType, " ")
	return strings.Contains(comment, "mariadb-5.3") && strings.HasSuffix(typ, ")")
}

// versioned lists the captured tables of MariaDB that keep their history. In the log each version of a row that has ended is one
// more row with the same key, and a deleted row one that was changed: what comes of it is not the table.
func (c catalog) versioned(ctx context.Context) ([]tableName, error) {
	if !c.conn.mariadb {
		return nil, nil
	}
	var out []tableName
	err := c.conn.during(ctx, func() error {
		rows, err := c.conn.query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='SYSTEM VERSIONED' AND TABLE_SCHEMA NOT IN " + systemSchemas + " ORDER BY 1, 2")
		for _, r := range rows {
			if c.filter.Match(r[0], r[1]) {
				out = append(out, tableName{r[0], r[1]})
			}
		}
		return err
	})
	return out, err
}

// versioned refuses them.
func (fs *findings) versioned(tables []tableName) {
	for _, t := range tables {
		fs.add(false, capture.Problem, "table "+t.String(), "it is system-versioned: the log has each of its old versions as one more row with the same key, and a delete as an update",
			"Leave it out by exclude_tables, or run ALTER TABLE "+t.sql()+" DROP SYSTEM VERSIONING, which forgets its history.")
	}
}

// refuseTables stops at tables that have become such that the log does not show what happens to them.
func (s *source) refuseTables(ctx context.Context, cat catalog) error {
	tables, err := cat.versioned(ctx)
	if err != nil {
		return err
	}
	var fs findings
	fs.versioned(tables)
	if err := fs.problems(); err != nil {
		return err
	}
	return s.refuseCascades(ctx, cat)
}

// images judges whether values that the log lacks can be read at a moment that is known to be late enough.
func (fs *findings) images(f *serverFacts, cfg *Config) {
	if f.gtids() || cfg.SnapshotLock || cfg.UnchangedValues == unchangedLeave || strings.HasPrefix(f.vars["binlog_row_image"], "FULL") && !strings.Contains(f.vars["binlog_row_value_options"], "PARTIAL_JSON") {
		return
	}
	fs.add(false, capture.Problem, "incomplete rows", "the log has parts of rows, and gtid_mode is "+f.vars["gtid_mode"]+": without GTIDs the other parts can be read under locks only",
		"Set binlog_row_image to FULL and binlog_row_value_options to '', set the server to gtid_mode=ON, set snapshot_lock: true, or, for outputs in changelog mode, unchanged_values: leave.")
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

func (fs *findings) cascades(cs []cascade, accept []string, p product) error {
	bad, err := unaccepted(slices.Clone(cs), accept)
	if err != nil {
		return err
	}
	for _, c := range cs {
		f := capture.Finding{Area: area, Subject: "table " + c.table.String(), Detail: "foreign key " + c.constraint + " " + c.rules, Severity: capture.Warning,
			Remedy: "Accepted by accept_fk_cascade: rows that this foreign key changes stay as they were in the topic."}
		if slices.Contains(bad, c) {
			f.Severity, f.Remedy, f.Code = capture.Problem, cascadeHint, string(fault.FKCascade)
			if p.mariadb {
				f.Remedy = "MariaDB does not log rows that a foreign key changes, in any release. Drop the rule and change the rows in the application, leave the table out, or name it in accept_fk_cascade if its rows may go stale."
			}
		}
		*fs = append(*fs, f)
	}
	return nil
}
