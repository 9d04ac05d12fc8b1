package mysql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// checker is the preflight of the servers that a configuration names.
type checker struct {
	cfg *Config
	env capture.Env
}

// look is the preflight of one server under way.
type look struct {
	cfg     *Config
	env     capture.Env
	filter  *capture.Filter
	c       *conn
	facts   *serverFacts
	product product
	account string // as GRANT spells it
	found   findings
}

// Check returns all findings, of several hosts each with the host's name. A server that cannot be reached or refuses the account
// is a finding too.
func (k *checker) Check(ctx context.Context) ([]capture.Finding, error) {
	filter, err := k.cfg.filter()
	if err != nil {
		return nil, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	var all []capture.Finding
	for _, one := range k.cfg.endpoints() {
		l := &look{cfg: one, env: k.env, filter: filter}
		err := l.run(ctx)
		if len(k.cfg.Hosts) > 0 {
			for i := range l.found {
				l.found[i].Subject += " at " + one.addr()
			}
		}
		if all = append(all, l.found...); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (l *look) run(ctx context.Context) (err error) {
	if l.c, err = connect(ctx, l.cfg); err != nil {
		return l.found.fault("connection", err)
	}
	defer l.c.raw.Close()
	if l.account, err = l.c.currentAccount(ctx); err != nil {
		return l.found.fault("connection", err)
	}
	facts, missing := l.c.readFacts(ctx)
	l.facts, l.product = facts, facts.product()
	server := facts.title()
	if h := hostings[l.product.hosting]; h != "" {
		server += " on " + h
	}
	l.found.add(true, capture.OK, "connection", server, "")
	how, err := l.c.login(ctx)
	if err != nil {
		return l.found.fault("account", err)
	}
	l.found.add(true, capture.OK, "account", l.account+", "+how, "")
	if missing != nil {
		if err := l.found.fault("grants", missing); err != nil || len(facts.vars) == 0 {
			return err
		}
	} else if err := l.grants(ctx); err != nil {
		return err
	}
	l.found = append(l.found, settings(facts)...)
	l.found.images(facts, l.cfg)
	l.found.statements(facts, l.cfg)
	if l.product.hosting == rds || l.product.hosting == aurora {
		l.managedRetention(ctx)
	}
	return l.tables(ctx)
}

// tables looks at the captured tables.
func (l *look) tables(ctx context.Context) error {
	cat := catalog{l.c, l.filter}
	tables, err := cat.tables(ctx, nil)
	if err != nil {
		return l.found.fault("tables", err)
	}
	l.found.tables(l.facts, tables)
	versioned, err := cat.versioned(ctx)
	if err != nil {
		return l.found.fault("tables", err)
	}
	l.found.versioned(versioned)
	if l.env.Snapshot && !l.cfg.SnapshotLock {
		l.found.snapshots(l.facts, tables)
	}
	if err := l.rights(ctx, tables); err != nil {
		return l.found.fault("SELECT", err)
	}
	if l.facts.logsCascades() {
		return nil
	}
	cascades, err := cat.cascades(ctx)
	if err != nil {
		return l.found.fault("foreign keys", err)
	}
	return l.found.cascades(cascades, l.cfg.AcceptFKCascade, l.product)
}

// managedRetention looks at how long RDS and Aurora keep the log, which no variable tells.
func (l *look) managedRetention(ctx context.Context) {
	var hours string
	err := l.c.during(ctx, func() error {
		rows, err := l.c.query("SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
		if len(rows) > 0 {
			hours = rows[0][0]
		}
		return err
	})
	l.found.managedRetention(l.product, hours, err == nil)
}

func (fs *findings) managedRetention(p product, hours string, seen bool) {
	const subject = "binlog retention hours"
	if !seen {
		fs.add(false, capture.Warning, subject, "this account cannot see it", "Look at CALL mysql.rds_show_configuration: unless it is set, the log is deleted as soon as the service does not need it. "+p.keep())
		return
	}
	fs.add(hours != "", capture.Warning, subject, hours, "It is not set: the log is deleted as soon as the service does not need it. "+p.keep())
}

const area = "mysql"

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

// fault makes a finding of a fault and gives other errors back.
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
		details = append(details, fmt.Sprintf("%s is %q", f.Subject, f.Detail))
		remedies = append(remedies, f.Remedy)
	}
	if code == "" {
		return nil
	}
	return fault.NewFinal(fault.Code(code), "checking the server's settings", errors.New(strings.Join(details, ", ")), strings.Join(remedies, " "))
}
