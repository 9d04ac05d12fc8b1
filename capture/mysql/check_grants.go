package mysql

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// replication are the rights on the whole server that the stream needs: to be sent the log, to ask where it stands, and to ask
// whether the server is a replica.
func (p product) replication() string {
	switch {
	case !p.mariadb:
		return "REPLICATION SLAVE, REPLICATION CLIENT"
	case p.number >= 100509:
		return "REPLICATION SLAVE, BINLOG MONITOR, REPLICA MONITOR"
	}
	return "REPLICATION SLAVE, BINLOG MONITOR, REPLICATION SLAVE ADMIN"
}

// grants are the statements that give an account, as GRANT spells it, all that it needs.
func (p product) grants(account string) string {
	return "Run GRANT " + p.replication() + " ON *.* TO " + account + ", and GRANT SELECT on the captured tables."
}

// withGrants gives a missing right on the whole server the statement of this very server and account.
func (c *conn) withGrants(ctx context.Context, err error) error {
	f := fault.As(err)
	if f == nil || f.Code != fault.Permission || f.Hint != grantHint {
		return err
	}
	account, unknown := c.currentAccount(ctx)
	if unknown != nil {
		return err
	}
	with := *f
	with.Hint = product{mariadb: c.mariadb, number: versionNumber(c.version)}.grants(account)
	return &with
}

// currentAccount asks for the account that the server has taken the user for, as GRANT spells it.
func (c *conn) currentAccount(ctx context.Context) (string, error) {
	var account string
	err := c.during(ctx, func() error {
		rows, err := c.query("SELECT CURRENT_USER()")
		if err != nil {
			return err
		}
		name, host := rows[0][0], "%"
		if at := strings.LastIndexByte(name, '@'); at >= 0 {
			name, host = name[:at], name[at+1:]
		}
		account = quote(name) + "@" + quote(host)
		return nil
	})
	return account, err
}

var authPlugin = regexp.MustCompile(`(?i)IDENTIFIED (?:WITH|VIA) ['"]?(\w+)`)

// login says how the account logs in and whether the connection is encrypted.
func (c *conn) login(ctx context.Context) (string, error) {
	how := "mysql_native_password" // of which MariaDB says the hash alone
	err := c.during(ctx, func() error {
		rows, err := c.query("SHOW CREATE USER CURRENT_USER()")
		if err != nil {
			return err
		}
		if m := authPlugin.FindStringSubmatch(rows[0][0]); m != nil {
			how = m[1]
		}
		if rows, err = c.query("SHOW SESSION STATUS LIKE 'Ssl_version'"); err != nil {
			return err
		}
		if len(rows) > 0 && rows[0][1] != "" {
			how += " over " + rows[0][1]
		} else {
			how += ", not encrypted"
		}
		return nil
	})
	return how, err
}

// grants says what the account may do on the whole server, which reading the facts has shown, and looks for the right to lock.
func (l *look) grants(ctx context.Context) error {
	l.found.add(true, capture.OK, "grants", l.product.replication(), "")
	if !l.cfg.SnapshotLock {
		return nil
	}
	var all strings.Builder
	err := l.c.during(ctx, func() error {
		rows, err := l.c.query("SHOW GRANTS")
		for _, r := range rows {
			all.WriteString(strings.ToUpper(r[0]))
		}
		return err
	})
	seen := strings.Contains(all.String(), "LOCK TABLES") || strings.Contains(all.String(), "ALL PRIVILEGES")
	l.found.add(seen, capture.Warning, "LOCK TABLES", "SHOW GRANTS does not have it", "snapshot_lock needs it: run GRANT LOCK TABLES ON the captured databases TO "+l.account+".")
	return err
}

// readsTables says why rows or definitions of the captured tables are read, or "" when they are not.
func (l *look) readsTables() string {
	v := l.facts.vars
	switch {
	case l.env.Snapshot:
		return "snapshots read them"
	case v["binlog_row_metadata"] != "FULL":
		return "the log does not describe them, so that their definitions are read"
	case !l.facts.describes() && l.cfg.UnchangedValues != unchangedLeave:
		return "values that the log lacks are read from them"
	}
	return ""
}

// rights looks whether the account may read the captured tables, where that is needed. A table of which it may do nothing at
// all is not among them: the catalogue does not show it.
func (l *look) rights(ctx context.Context, tables map[tableName]*tableFacts) error {
	why := l.readsTables()
	if why == "" || len(tables) == 0 {
		return nil
	}
	var refused []string
	databases := map[string]bool{}
	err := l.c.during(ctx, func() error {
		if _, err := l.c.query("SET SESSION lock_wait_timeout=1"); err != nil {
			return err
		}
		for _, name := range sortedNames(tables) {
			if l.env.Snapshot && l.facts.describes() && slices.Contains(l.env.Unread, name.String()) {
				continue
			}
			_, err := l.c.query("SELECT 1 FROM (SELECT * FROM " + name.sql() + ") x WHERE FALSE")
			switch errorCode(err) {
			case 1142, 1143, 1044, 1370:
				refused, databases[name.database] = append(refused, name.String()), true
			case 1146, 1049, 1109, 1205: // gone meanwhile, or its definition is being changed
			default:
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil || len(refused) == 0 {
		l.found.add(true, capture.OK, "SELECT", fmt.Sprintf("granted on %d tables: %s", len(tables), why), "")
		return err
	}
	var run []string
	for _, d := range slices.Sorted(maps.Keys(databases)) {
		run = append(run, "GRANT SELECT ON "+quoteName(d)+".* TO "+l.account)
	}
	l.found = append(l.found, capture.Finding{Area: area, Subject: "SELECT", Severity: capture.Problem, Code: string(fault.Permission),
		Detail: "the account may not read all columns of " + abbreviate(strings.Join(refused, ", "), 300) + "; " + why, Remedy: "Run " + strings.Join(run, "; ") + "."})
	return nil
}

// describes reports a server whose log tells all of a row: its columns and their values.
func (f *serverFacts) describes() bool {
	v := f.vars
	return v["binlog_row_metadata"] == "FULL" && strings.HasPrefix(v["binlog_row_image"], "FULL") && !strings.Contains(v["binlog_row_value_options"], "PARTIAL_JSON")
}
