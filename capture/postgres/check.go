package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// checker is the preflight of a server.
type checker struct {
	cfg *Config // with its names resolved
	env capture.Env
}

var _ capture.TableLister = (*checker)(nil)

// look is one preflight under way.
type look struct {
	*checker
	c     *conn
	facts *serverFacts
	found findings
}

// Check implements capture.Checker. A server that cannot be reached or refuses the account is a finding too.
func (k *checker) Check(ctx context.Context) ([]capture.Finding, error) {
	l := &look{checker: k}
	err := l.run(ctx)
	return l.found, err
}

func (l *look) run(ctx context.Context) (err error) {
	as := session{pipeline: l.env.Pipeline}
	if l.c, err = connect(ctx, l.cfg, as); err != nil {
		return l.found.fault("connection", err)
	}
	defer l.c.close()
	if l.facts, err = readFacts(ctx, l.c, as); err != nil {
		return l.found.fault("connection", err)
	}
	l.found.ok("connection", "database "+l.facts.database+" as "+l.cfg.User)
	as.replication = true
	if repl, err := connect(ctx, l.cfg, as); err != nil {
		if err := l.found.fault("replication connection", err); err != nil {
			return err
		}
	} else {
		l.found.ok("replication connection", as.application())
		repl.close()
	}
	l.found.settings(l.facts, l.cfg)
	l.found.hazards(l.facts, l.cfg, as.application())
	for _, part := range []func(context.Context) error{l.senders, l.slot, l.publication, l.sessions} {
		if err := part(ctx); err != nil {
			if err := l.found.fault("look at the server", err); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tables implements capture.TableLister.
func (k *checker) Tables(ctx context.Context) ([]changelog.Table, error) {
	as := session{pipeline: k.env.Pipeline}
	c, err := connect(ctx, k.cfg, as)
	if err != nil {
		return nil, err
	}
	defer c.close()
	facts, err := readFacts(ctx, c, as)
	if err != nil {
		return nil, err
	}
	cat, err := k.catalog(c, facts)
	if err != nil {
		return nil, err
	}
	ts, err := cat.read(ctx)
	if err != nil {
		return nil, err
	}
	var out []changelog.Table
	for _, f := range ts.all {
		out = append(out, f.changelogTable(facts.database))
	}
	return out, nil
}

func (k *checker) catalog(c *conn, facts *serverFacts) (catalog, error) {
	sel, err := newSelection(k.cfg)
	if err != nil {
		return catalog{}, fault.NewFinal(fault.Config, "reading tables", err, "")
	}
	return catalog{c: c, publication: k.cfg.Publication, generated: facts.number >= generatedSince, selection: sel}, nil
}

// changelogTable has names and key, of the columns that are published or will be.
func (f *tableFacts) changelogTable(database string) changelog.Table {
	t := changelog.Table{Origin: "postgresql", Database: database, Schema: f.schema, Name: f.name}
	some := false
	for _, c := range f.columns {
		some = some || c.published
	}
	for _, c := range f.columns {
		if some && !c.published || !some && c.generated {
			continue
		}
		t.Columns = append(t.Columns, changelog.Column{Name: c.name, Nullable: !c.notNull, Generated: c.generated})
	}
	for _, name := range f.key {
		if i := t.ColumnIndex(name); i >= 0 {
			t.Key = append(t.Key, i)
		}
	}
	return t
}

// number asks for one number.
func (l *look) number(ctx context.Context, sql string) (int64, error) {
	rows, err := l.c.query(ctx, sql)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil {
		return 0, fault.New(fault.Source, "reading the result of "+abbreviate(sql, 80), err, "")
	}
	return n, nil
}

func (l *look) senders(ctx context.Context) error {
	used, err := l.number(ctx, "SELECT count(*) FROM pg_stat_get_wal_senders()")
	if err != nil {
		return err
	}
	most := l.facts.integer("max_wal_senders", 0)
	detail := fmt.Sprintf("%d of %d in use", used, most)
	if used >= most {
		l.found.bad(fault.SourceSettings, "max_wal_senders", detail, "Raise max_wal_senders and restart the server.")
	} else {
		l.found.ok("max_wal_senders", detail)
	}
	return nil
}

// slot looks at the slot, or at the room for it.
func (l *look) slot(ctx context.Context) error {
	slot, err := readSlot(ctx, l.c, l.cfg.Slot)
	if err != nil {
		return err
	}
	subject := "slot " + l.cfg.Slot
	if slot == nil {
		if l.cfg.Create == createNone {
			return l.found.fault(subject, missingSlot(l.cfg, nil))
		}
		used, err := l.number(ctx, "SELECT count(*) FROM pg_replication_slots")
		if err != nil {
			return err
		}
		most := l.facts.integer("max_replication_slots", 0)
		detail := fmt.Sprintf("it will be made; %d of %d slots are in use", used, most)
		if used >= most {
			l.found.bad(fault.SourceSettings, subject, detail, noSlotHint)
		} else {
			l.found.ok(subject, detail)
		}
		return nil
	}
	mine := strings.HasPrefix(slot.user, session{pipeline: l.env.Pipeline}.application()+" (")
	if mine {
		slot.active = false // the daemon of this pipeline runs
	}
	if err := slot.problem(l.facts.database, 0); err != nil {
		return l.found.fault(subject, err)
	}
	slot.active = mine
	rate, err := l.number(ctx, "SELECT coalesce(wal_bytes / greatest(extract(epoch FROM now() - stats_reset), 1), 0)::bigint FROM pg_stat_wal")
	if err != nil {
		return err
	}
	l.found.retention(slot, l.facts.integer("max_slot_wal_keep_size", -1), float64(rate))
	if l.cfg.Failover && !slot.failover && l.cfg.Create == createNone {
		l.found.bad(fault.SourceSettings, subject, "it is no failover slot", "Make it anew with failover, or set failover to false.")
	}
	return nil
}

// publication looks at the publication, its tables and the rights to alter them.
func (l *look) publication(ctx context.Context) error {
	cat, err := l.catalog(l.c, l.facts)
	if err != nil {
		return err
	}
	ts, err := cat.read(ctx)
	if err != nil {
		return err
	}
	p, err := readPublication(ctx, l.c, l.cfg.Publication)
	if err != nil {
		return err
	}
	subject := "publication " + l.cfg.Publication
	slot, err := readSlot(ctx, l.c, l.cfg.Slot)
	if err != nil {
		return err
	}
	missing := unpublished(ts)
	switch {
	case p == nil && (slot != nil || l.cfg.Create == createNone):
		err = l.found.fault(subject, missingPublication(l.cfg, ts, slot))
	case p == nil:
		err = l.mayCreate(ctx, subject)
	case p.problem(l.cfg) != nil:
		err = l.found.fault(subject, p.problem(l.cfg))
	case len(missing) > 0 && (l.cfg.Create == createNone || p.all):
		err = l.found.fault(subject, notPublished(l.cfg, missing))
	case len(missing) > 0 && !p.owned:
		l.found.bad(fault.Permission, subject, "it lacks "+names(missing)+" and belongs to another role", "As its owner run "+addTablesSQL(l.cfg, missing)+".")
	case len(missing) > 0:
		l.found.ok(subject, names(missing)+" will be added")
	default:
		l.found.ok(subject, fmt.Sprintf("it has all %d tables", len(ts.wanted)))
	}
	if err != nil {
		return err
	}
	if len(ts.wanted) == 0 {
		l.found.warn("tables", "no table is captured", "No table of the database matches tables: check the patterns.")
	}
	l.found.tables(l.cfg, ts)
	l.rights(ts, missing)
	return nil
}

func (l *look) mayCreate(ctx context.Context, subject string) error {
	rows, err := l.c.query(ctx, "SELECT has_database_privilege(current_database(), 'CREATE')")
	if err != nil {
		return err
	}
	if rows[0][0] != "t" {
		l.found.bad(fault.Permission, subject, "it is missing and the user must not make it",
			"Run GRANT CREATE ON DATABASE "+identifier(l.facts.database)+" TO "+identifier(l.cfg.User)+"; or make the publication yourself and set create to none.")
		return nil
	}
	l.found.ok(subject, "it will be made")
	return nil
}

// rights looks at what the account may do with the tables.
func (l *look) rights(ts *tables, missing []*tableFacts) {
	if l.cfg.Create == createBoth {
		for _, f := range missing {
			if !f.access.owner {
				l.found.bad(fault.Permission, "table "+f.full(), "only its owner can add it to the publication",
					"Let the user be a member of the table's owner (GRANT owner TO "+identifier(l.cfg.User)+"); or make the publication yourself and set create to none.")
			}
		}
	}
	for _, f := range ts.all {
		grant := "Run GRANT SELECT ON " + f.sql() + " TO " + identifier(l.cfg.User) + ", and USAGE on its schema"
		switch {
		case f.access.read:
		case l.env.Snapshot && !slices.Contains(l.env.Unread, f.full()):
			l.found.bad(fault.Permission, "table "+f.full(), "the user may not read it", grant+"; or list it under snapshot.tables with skip: true.")
		default:
			l.found.warn("table "+f.full(), "the user may not read it", grant+": values that the log leaves out are read from the table.")
		}
	}
}

// sessions looks whether what others do can be seen. A read must show all that was streamed, also before a restart; which of the
// open transactions were streamed already can be told by what their sessions do.
func (l *look) sessions(ctx context.Context) error {
	if !l.env.Snapshot {
		return nil
	}
	const role = "pg_read_all_stats"
	rows, err := l.c.query(ctx, "SELECT pg_has_role('"+role+"', 'USAGE')")
	if err != nil {
		return err
	}
	if rows[0][0] != "t" {
		l.found.warn(role, "the user does not have it", "Run GRANT "+role+" TO "+identifier(l.cfg.User)+": without it a snapshot begins, and goes on after a restart, only when every transaction has ended that was open then.")
		return nil
	}
	l.found.ok(role, "the user has it")
	return nil
}
