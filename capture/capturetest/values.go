package capturetest

import (
	"fmt"
	"strings"

	"cdcbridge/changelog"
)

// nullsAnywhere has a column of every type, and rows where all, none and each single one of them is NULL. NULL is NULL there and
// nowhere else, and a value is the same in whatever company it comes.
func nullsAnywhere(b *bench) {
	types := b.db.Types
	ddl, literals := []string{"id INT PRIMARY KEY"}, make([]string, len(types))
	for i, t := range types {
		ddl = append(ddl, fmt.Sprintf("c%d %s NULL", i, t.SQL))
		literals[i] = t.Literal
	}
	table := b.table("wide")
	b.exec("CREATE TABLE " + table + " (" + strings.Join(ddl, ", ") + ")")
	start := b.start(b.options())
	insert := func(id, null int) { // null: index of the column that is NULL; -1: none; -2: all
		b.Helper()
		row := make([]string, len(types))
		for i := range types {
			if row[i] = literals[i]; null == i || null == -2 {
				row[i] = "NULL"
			}
		}
		b.exec(fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", table, id, strings.Join(row, ", ")))
	}
	for i := -2; i < len(types); i++ {
		insert(i, i)
	}
	set := make([]string, len(types))
	for i := range types {
		set[i] = fmt.Sprintf("c%d=%s", i, literals[i])
	}
	b.exec("UPDATE " + table + " SET " + strings.Join(set, ", ") + " WHERE id=-2")
	for i := range types {
		b.exec(fmt.Sprintf("UPDATE %s SET c%d=NULL WHERE id=-1", table, i))
	}
	b.exec("DELETE FROM " + table)
	b.finish()
	got := b.record(b.options(), start)
	rows := map[string][]string{} // id → the images of the row after each change
	for _, c := range got.changes {
		if c.after != nil && c.table.Name == b.name+"_wide" {
			rows[c.after[0]] = append(rows[c.after[0]], strings.Join(c.after[1:], "\x00"))
		}
	}
	values := strings.Split(rows["-1"][0], "\x00")
	image := func(null func(i int) bool) string {
		row := make([]string, len(values))
		for i := range values {
			if row[i] = values[i]; null(i) {
				row[i] = "NULL"
			}
		}
		return strings.Join(row, "\x00")
	}
	same := func(what, got, want string) {
		b.Helper()
		if got != want {
			b.Errorf("%s:\ngot  %q\nwant %q", what, strings.Split(got, "\x00"), strings.Split(want, "\x00"))
		}
	}
	for i, v := range values {
		if v == "NULL" {
			b.Errorf("%s %s is NULL", types[i].SQL, literals[i])
		}
		same("only "+types[i].SQL+" NULL", rows[fmt.Sprint(i)][0], image(func(j int) bool { return i == j }))
		same("up to "+types[i].SQL+" NULL", rows["-1"][i+1], image(func(j int) bool { return j <= i }))
	}
	same("all NULL", rows["-2"][0], image(func(int) bool { return true }))
	same("all set", rows["-2"][1], rows["-1"][0])
	b.describes(got)
	b.sameChanges("a replay", b.record(b.options(), start), got.changes)
}

// describes checks what is said of the columns.
func (b *bench) describes(got *recording) {
	b.Helper()
	t := got.tables[b.name+"_wide"]
	if len(t.Key) != 1 || t.Key[0] != 0 || t.Columns[0].Nullable {
		b.Errorf("the key is %v of %+v", t.Key, t.Columns[0])
	}
	for i, c := range t.Columns[1:] {
		if c.Name != fmt.Sprintf("c%d", i) || !c.Nullable || c.SourceType == "" || c.SourceType != strings.ToLower(c.SourceType) && !strings.ContainsAny(c.SourceType, `'"`) ||
			c.Type.Kind == changelog.KindNull || c.Type.Kind == changelog.KindUnchanged {
			b.Errorf("%s is described as %+v", b.db.Types[i].SQL, c)
		}
	}
}

// oddNames uses names of tables and columns that need quotes, escapes or exact spelling somewhere on the way, in parts of
// transactions too, whose checkpoints name tables.
func oddNames(b *bench) {
	odd := []string{"Ünï ☃ 表", "MixedCase", "mixedcase", "select", "a.b.c", `quo"te`, "it's", "back\\slash", "%s{}", "tab&<>", "a,b"}
	o := b.small()
	for i, name := range odd {
		b.exec(fmt.Sprintf("CREATE TABLE %s (%s INT PRIMARY KEY, %s VARCHAR(16000))", b.table(name), b.db.Quote(name), b.db.Quote(odd[(i+3)%len(odd)]+" "+name+"2")))
	}
	start := b.start(o)
	var large []string
	for i, name := range odd {
		b.exec(fmt.Sprintf("INSERT INTO %s VALUES (%d,'x')", b.table(name), i))
		large = append(large, strings.Replace(fill(b.table(name), 100, 40, 100), " (id, v) ", " ", 1))
	}
	b.exec(append(append([]string{"BEGIN"}, large...), "COMMIT")...)
	b.finish()
	got := b.record(o, start)
	for i, name := range odd {
		t := got.tables[b.name+"_"+name]
		if t == nil || t.Columns[0].Name != name || t.Columns[1].Name != odd[(i+3)%len(odd)]+" "+name+"2" {
			b.Errorf("%q is described as %+v", name, t)
		}
	}
	if n := len(got.changes); n != 41*len(odd)+1 || len(got.middles()) < 2 {
		b.Errorf("%d changes in %d parts", n, len(got.middles()))
	}
	b.resumes(o, got)
}
