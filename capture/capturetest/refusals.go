package capturetest

import (
	"fmt"
	"slices"
	"strings"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// preflight looks at a good server: nothing is a problem, and the captured tables are listed with their keys.
func preflight(b *bench) {
	cfg := b.db.Server.Config(b.options())
	if cfg == b.db.Server.Config(b.options()) {
		b.Error("the section is not a fresh one")
	}
	checker := cfg.Checker(b.env())
	found, err := checker.Check(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if len(found) < 3 {
		b.Errorf("only %+v was looked at", found)
	}
	for _, f := range found {
		if f.Severity == capture.Problem || f.Area == "" || f.Subject == "" || f.Severity != capture.OK && f.Remedy == "" {
			b.Errorf("on a good server: %+v", f)
		}
	}
	lister, ok := checker.(capture.TableLister)
	if !ok {
		b.Fatal("the checker cannot list tables")
	}
	tables, err := lister.Tables(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, t := range tables {
		names = append(names, t.Name)
		if len(t.Columns) == 0 || t.Columns[0].Name != "id" || !slices.Equal(t.Key, []int{0}) || !strings.HasPrefix(t.FullName(), b.db.Captured+".") {
			b.Errorf("%+v", t)
		}
	}
	slices.Sort(names)
	if want := []string{b.name + "_a", b.name + "_b", b.name + "_done"}; !slices.Equal(names, want) {
		b.Errorf("the captured tables are %q, want %q", names, want)
	}
}

// strangePositions are what a checkpoint must not be: other programs' texts, other sources' positions, other releases'.
var strangePositions = []changelog.Position{
	"x", " ", "null", "0", "{}", "[]", "\x00\xff", `"text"`, `{"v":1}`, `{"v":0,"server":"x"}`, `{"shard":0,"lsn":12}`, `{"file":"binlog.000001","pos":4}`, "0/16B3748",
	`{"v":1,"server":"97e59da4-e909-11f1-8a1b-02fc00000001","file":"binlog.000002","pos":1234,"gtids":"97e59da4-e909-11f1-8a1b-02fc00000001:1-77"}`,
	`{"v":1,"server":"97e59da4-e909-11f1-8a1b-02fc00000001","file":"binlog.000002","pos":1234}`,
	`{"v":1,"system":"7301234567890123456","timeline":1,"slot":"cdcbridge_shop","lsn":"0/16B3748"}`,
	`{"v":1,"partitions":[{"topic":"shop.orders","partition":0,"offset":12}]}`,
	`{"v":999999,"server":"97e59da4-e909-11f1-8a1b-02fc00000001"}`,
}

// garbageIsRefused opens at what is no checkpoint of this server. Each is refused for good before anything is read, and
// spoils nothing.
func garbageIsRefused(b *bench) {
	o := b.small()
	start := b.start(o)
	b.workload()
	ref := b.record(o, start)
	refused := func(pos changelog.Position) {
		b.Helper()
		_, err := b.open(o, changelog.Checkpoint{Pos: pos})
		if f := b.refused("opening at "+string(pos), err, ""); !f.Final {
			b.Errorf("opening at %q: %v is not final", pos, f)
		}
	}
	for _, pos := range strangePositions {
		refused(pos)
	}
	middle := ref.checkpoints[ref.middles()[2]].Pos
	for n := 1; n < len(middle); n += 1 + len(middle)/12 {
		refused(middle[:n])
	}
	refused(middle[:len(middle)-1])
	b.sameChanges("after refusals", b.record(o, start), ref.changes)
}

// wrongPassword is refused for good, by Open and by the preflight, and shows nowhere.
func wrongPassword(b *bench) {
	o := b.options()
	o.Password = "wr0ng-secret"
	cfg := b.db.Server.Config(o)
	if text := fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg); strings.Contains(text, o.Password) {
		b.Errorf("the section shows its password: %s", text)
	}
	_, err := b.open(o, changelog.Checkpoint{})
	if f := b.refused("a wrong password", err, fault.Auth); !f.Final || strings.Contains(f.Error(), o.Password) {
		b.Errorf("a wrong password: %v, final %v", f, f.Final)
	}
	found, err := cfg.Checker(b.env()).Check(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if !slices.ContainsFunc(found, func(f capture.Finding) bool {
		return f.Severity == capture.Problem && f.Code == string(fault.Auth) && f.Remedy != ""
	}) {
		b.Errorf("the preflight with a wrong password found %+v", found)
	}
	b.mustOpen(b.options(), changelog.Checkpoint{})
}

// truncateStops removes rows in a way that no change shows: the stream brings what came before and stops for good. Of a table
// that is not captured it concerns nobody.
func truncateStops(b *bench) {
	start := b.start(b.options())
	b.exec("INSERT INTO "+b.foreign("a")+" VALUES (1,'one')", "TRUNCATE TABLE "+b.foreign("a"))
	b.finish()
	at := b.record(b.options(), start).last()
	b.exec("INSERT INTO "+b.table("a")+" VALUES (1,'one')", "TRUNCATE TABLE "+b.table("a"), "INSERT INTO "+b.table("a")+" VALUES (1,'two')")
	got, err := b.collect(b.options(), at, func(*recording) bool { return false })
	if f := b.refused("TRUNCATE", err, fault.Diverged); !f.Final || !strings.Contains(f.Error(), b.name+"_a") {
		b.Errorf("TRUNCATE: %v", f)
	}
	if all := got.briefs(); len(all) > 1 || len(all) == 1 && all[0] != "insert a 1,one" {
		b.Errorf("beside TRUNCATE came %q", all)
	}
}
