package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cdcbridge/internal/fault"
)

// publicationFacts is a row of pg_publication.
type publicationFacts struct {
	oid     uint32 // another one of the same name is another publication
	name    string
	all     bool // FOR ALL TABLES: somebody else made it
	viaRoot bool
	lacks   []string // operations that it does not publish
	owned   bool     // our account may alter it
}

func readPublication(ctx context.Context, c *conn, name string) (*publicationFacts, error) {
	rows, err := c.query(ctx, "SELECT puballtables, pubviaroot, pubinsert, pubupdate, pubdelete, pubtruncate, pg_has_role(pubowner, 'USAGE'), oid FROM pg_publication WHERE pubname = $1", name)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	r := rows[0]
	p := &publicationFacts{name: name, all: r[0] == "t", viaRoot: r[1] == "t", owned: r[6] == "t"}
	for i, op := range []string{"insert", "update", "delete", "truncate"} {
		if r[2+i] != "t" {
			p.lacks = append(p.lacks, op)
		}
	}
	p.oid, err = parseOID(r[7])
	return p, err
}

const opPublication = "checking the publication"

// problem says with a fault why the publication does not publish what is to be captured.
func (p *publicationFacts) problem(cfg *Config) error {
	if len(p.lacks) > 0 {
		return fault.NewFinal(fault.SourceSettings, opPublication, fmt.Errorf("the publication %s does not publish %s", p.name, strings.Join(p.lacks, ", ")),
			"Run ALTER PUBLICATION "+identifier(p.name)+" SET (publish = 'insert, update, delete, truncate'). What was written meanwhile is not in the target.")
	}
	if p.viaRoot != cfg.PublishViaPartitionRoot {
		return fault.NewFinal(fault.SourceSettings, opPublication, fmt.Errorf("publish_via_partition_root is %v and the publication %s has %v", cfg.PublishViaPartitionRoot, p.name, p.viaRoot),
			fmt.Sprintf("Set publish_via_partition_root to %v; or, while no partitioned table is captured, run ALTER PUBLICATION %s SET (publish_via_partition_root = %v).",
				p.viaRoot, identifier(p.name), cfg.PublishViaPartitionRoot))
	}
	return nil
}

// missingPublication is the fault for a publication that should be there.
func missingPublication(cfg *Config, ts *tables, slot *slotFacts) error {
	if slot != nil {
		return fault.NewFinal(fault.SlotLost, opPublication, fmt.Errorf("the publication %s is gone and the slot %s older than a new one", cfg.Publication, slot.name),
			"What was written without the publication is never sent. Drop the slot (SELECT pg_drop_replication_slot("+quote(slot.name)+")) and start over as docs/operations.md says.")
	}
	return fault.NewFinal(fault.SourceSettings, opPublication, fmt.Errorf("there is no publication %s, and create is %q", cfg.Publication, cfg.Create),
		"Run "+createPublicationSQL(cfg, ts.wanted)+", before the slot is made.")
}

// ensurePublication makes the publication, or adds to it the tables that it lacks, when the configuration lets us. Before
// anything it makes sure that the server will not refuse the updates of the tables' users then.
func (s *source) ensurePublication(ctx context.Context, slot *slotFacts) error {
	ts, err := s.catalog().read(ctx)
	if err != nil {
		return err
	}
	p, err := readPublication(ctx, s.side, s.cfg.Publication)
	if err != nil {
		return err
	}
	if p == nil && (slot != nil || s.cfg.Create == createNone) {
		return missingPublication(s.cfg, ts, slot)
	}
	if p != nil {
		if err := p.problem(s.cfg); err != nil {
			return err
		}
	}
	var fs findings
	fs.tables(s.cfg, ts)
	if err := fs.problems(); err != nil {
		return err
	}
	for _, f := range ts.unreachable {
		s.env.Log.Warn("a table matches and cannot be captured: its changes are in no log", "table", f.full(), "kind", f.nature())
	}
	missing := unpublished(ts)
	switch {
	case p == nil:
		err = s.alterPublication(ctx, "made", ts.wanted)
	case len(missing) == 0:
	case s.cfg.Create == createNone || p.all:
		return notPublished(s.cfg, missing)
	default:
		err = s.alterPublication(ctx, "extended", missing)
	}
	if err != nil {
		return err
	}
	if p == nil {
		if p, err = readPublication(ctx, s.side, s.cfg.Publication); err != nil {
			return err
		}
	}
	if p != nil {
		s.published = p.oid
	}
	return s.checkPublications(ctx)
}

// unpublished gives the tables that belong into the publication and are not in it.
func unpublished(ts *tables) []*tableFacts {
	return slices.DeleteFunc(slices.Clone(ts.wanted), func(f *tableFacts) bool { return f.published })
}

// notPublished is the fault for tables that match and that somebody else's publication lacks.
func notPublished(cfg *Config, missing []*tableFacts) error {
	return fault.NewFinal(fault.SourceSettings, opPublication, fmt.Errorf("the publication %s lacks %s", cfg.Publication, names(missing)),
		"Run "+addTablesSQL(cfg, missing)+", leave the tables out by exclude_tables, or set create to \"both\".")
}

// alterPublication writes tables into the publication, all or none.
func (s *source) alterPublication(ctx context.Context, verb string, add []*tableFacts) error {
	first := createPublicationSQL
	if verb == "extended" {
		first = addTablesSQL
	}
	begin := fmt.Sprintf("BEGIN; SET LOCAL lock_timeout = %d; ", max(s.cfg.ConnectTimeout.Milliseconds()*8/10, 1))
	if _, err := s.side.query(ctx, begin+first(withoutColumns(s.cfg), add)); err != nil {
		return err
	}
	if err := s.checkConditions(ctx, add); err != nil {
		return err
	}
	rest := ""
	for _, f := range add {
		if p := s.cfg.published(f); p != nil && p.Where != "" && len(p.Columns) > 0 {
			rest += "ALTER PUBLICATION " + identifier(s.cfg.Publication) + " DROP TABLE ONLY " + f.sql() + "; " + addTablesSQL(s.cfg, []*tableFacts{f}) + "; "
		}
	}
	if _, err := s.side.query(ctx, rest+"COMMIT"); err != nil {
		return err
	}
	s.env.Log.Info("publication "+verb, "publication", s.cfg.Publication, "tables", names(add))
	return nil
}

// checkConditions makes sure that conditions look at columns only that old rows have. The server would take any, and refuse
// its users' updates and deletes later. Which columns a condition looks at, only the server knows.
func (s *source) checkConditions(ctx context.Context, add []*tableFacts) error {
	rows, err := s.side.query(ctx, "SELECT r.prrelid, a.attname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prqual IS NOT NULL "+
		"JOIN pg_depend d ON d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = r.prrelid AND d.refobjsubid > 0 "+
		"JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = d.refobjsubid WHERE p.pubname = $1", s.cfg.Publication)
	if err != nil {
		return err
	}
	for _, r := range rows {
		oid, err := parseOID(r[0])
		if err != nil {
			return err
		}
		for _, f := range add {
			if f.oid == oid && !f.logs([]string{r[1]}) {
				return fault.NewFinal(fault.SourceSettings, "publishing "+f.full(), fmt.Errorf("its where looks at the column %q, whose old value is not logged", r[1]),
					"Run ALTER TABLE "+f.sql()+" REPLICA IDENTITY FULL, or use key columns only: else the server would refuse updates of the table.")
			}
		}
	}
	return nil
}

func createPublicationSQL(cfg *Config, add []*tableFacts) string {
	sql := "CREATE PUBLICATION " + identifier(cfg.Publication)
	if len(add) > 0 {
		sql += " FOR " + tableList(cfg, add)
	}
	return sql + fmt.Sprintf(" WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = %v)", cfg.PublishViaPartitionRoot)
}

func addTablesSQL(cfg *Config, add []*tableFacts) string {
	return "ALTER PUBLICATION " + identifier(cfg.Publication) + " ADD " + tableList(cfg, add)
}

// tableList names tables, each without those that inherit from it: they are captured when they match themselves.
func tableList(cfg *Config, add []*tableFacts) string {
	var parts []string
	for _, f := range add {
		item := "TABLE ONLY " + f.sql()
		if p := cfg.published(f); p != nil {
			if len(p.Columns) > 0 {
				var columns []string
				for _, c := range p.Columns {
					columns = append(columns, identifier(c))
				}
				item += " (" + strings.Join(columns, ", ") + ")"
			}
			if p.Where != "" {
				item += " WHERE (" + p.Where + ")"
			}
		}
		parts = append(parts, item)
	}
	return strings.Join(parts, ", ")
}

// published finds what the configuration says of publishing a table, nil when nothing.
func (c *Config) published(f *tableFacts) *Published {
	for i := range c.Publish {
		if c.Publish[i].Table == f.full() {
			return &c.Publish[i]
		}
	}
	return nil
}

// withoutColumns leaves the column lists of tables with a condition out.
func withoutColumns(cfg *Config) *Config {
	c := *cfg
	c.Publish = slices.Clone(cfg.Publish)
	for i := range c.Publish {
		if c.Publish[i].Where != "" {
			c.Publish[i].Columns = nil
		}
	}
	return &c
}

// checkPublications makes sure that the publication is the one that the source was opened with: without it the server sends
// nothing, newer ones say so in a warning only, and one that was made again lacks what was written meanwhile.
func (s *source) checkPublications(ctx context.Context) error {
	p, err := readPublication(ctx, s.side, s.cfg.Publication)
	if err != nil {
		return err
	}
	if p == nil || p.oid != s.published {
		return fault.NewFinal(fault.SlotLost, opPublication, errors.New("the publication "+s.cfg.Publication+" was dropped"),
			"What is written without it is never sent. Start over as docs/operations.md says.")
	}
	return p.problem(s.cfg)
}

// names lists tables for people.
func names(list []*tableFacts) string {
	const most = 20
	var parts []string
	for i, f := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		parts = append(parts, f.full())
	}
	return strings.Join(parts, ", ")
}
