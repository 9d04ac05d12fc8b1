package postgrestypes

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/internal/fault"
)

// versions are the oldest and the newest server; all of them in the long tier.
var versions = func() []string {
	if harness.Long {
		return []string{"15", "16", "17", "18"}
	}
	return []string{"15", "18"}
}()

// row is a change in a form that outlives its batch.
type row struct {
	op            changelog.Op
	before, after []string
}

// TestEveryType inserts every value, changes the key of its row so that the old image comes too, and compares both with the
// server's own account.
func TestEveryType(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			b := newBench(t, version)
			seed := rand.Float64()
			t.Logf("seed %v", seed)
			b.exec(fmt.Sprintf("SELECT setseed(%v)", seed))
			major, _ := strconv.Atoi(version)
			var tables []family
			for _, f := range families {
				if major >= f.since {
					tables = append(tables, f)
					b.create(f)
				}
			}
			src := b.open()
			expected := 0
			for _, f := range tables {
				b.fill(f)
				expected += 2 * len(f.rows)
			}
			got, shapes, seen := map[string][]row{}, map[string]*changelog.Table{}, 0
			err := follow(t, src, func(table *changelog.Table, ch *changelog.Change) bool {
				f := familyOf(tables, table.Name)
				if f == nil {
					t.Errorf("a change of %s", table.FullName())
					return true
				}
				shapes[f.name] = table
				got[f.name] = append(got[f.name], row{ch.Op, f.told(t, table, ch.Before), f.told(t, table, ch.After)})
				seen++
				return seen == expected
			})
			if err != nil {
				t.Fatalf("%v after %d changes of %d", err, seen, expected)
			}
			for _, f := range tables {
				b.compare(f, shapes[f.name], got[f.name])
			}
			b.compareDescribed(shapes)
		})
	}
}

func familyOf(all []family, name string) *family {
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// create makes the table.
func (b *bench) create(f family) {
	b.t.Helper()
	b.exec(f.create()...)
}

// fill inserts the rows, and moves each key by 1000.
func (b *bench) fill(f family) {
	b.t.Helper()
	for n := range f.rows {
		b.exec(f.insert(n), fmt.Sprintf("UPDATE %s SET id = id + 1000 WHERE id = %d", f.name, n))
	}
}

// told is the row's canonical texts, and nil when there is no row.
func (f *family) told(t testing.TB, table *changelog.Table, r changelog.Row) []string {
	if r == nil {
		return nil
	}
	out := []string{canonical(t, r[0], "")}
	for i, v := range r[1:] {
		if !v.IsNull() && v.Kind() != table.Columns[i+1].Type.Kind {
			t.Errorf("%s: a %s has the kind %d, its column %d", f.name, f.columns[i].typ, v.Kind(), table.Columns[i+1].Type.Kind)
		}
		out = append(out, canonical(t, v, f.columns[i].tell))
	}
	return out
}

func (b *bench) compare(f family, table *changelog.Table, got []row) {
	b.t.Helper()
	tells := []string{"id::text"}
	for i, c := range f.columns {
		tell := c.tell
		if tell == "" {
			tell = "$::text"
		}
		tells = append(tells, strings.ReplaceAll(tell, "$", fmt.Sprintf("%s.c%d", f.name, i)))
	}
	want := b.rows("SELECT " + strings.Join(tells, ", ") + " FROM " + f.name + " ORDER BY id")
	if len(want) != len(f.rows) || len(got) != 2*len(want) {
		b.t.Fatalf("%s: %d rows, %d changes", f.name, len(want), len(got))
	}
	for n, w := range want {
		moved, old := got[2*n+1], append([]string{strconv.Itoa(n)}, w[1:]...)
		b.compareRow(f, table, "inserted", got[2*n].after, old)
		b.compareRow(f, table, "before", moved.before, old)
		b.compareRow(f, table, "after", moved.after, w)
		if got[2*n].op != changelog.Insert || got[2*n].before != nil || moved.op != changelog.Update {
			b.t.Errorf("%s: the operations %v and %v", f.name, got[2*n].op, moved.op)
		}
	}
	b.compareTypes(f, table)
}

func (b *bench) compareRow(f family, table *changelog.Table, image string, got, want []string) {
	b.t.Helper()
	if len(got) != len(want) {
		b.t.Errorf("%s: %d columns %s, want %d", f.name, len(got), image, len(want))
		return
	}
	for i := range want {
		if !equal(got[i], want[i], table.Columns[i].Type.Kind) {
			b.t.Errorf("%s: %s %s in row %s: got %.300q, want %.300q", f.name, table.Columns[i].SourceType, image, want[0], got[i], want[i])
		}
	}
}

// compareTypes checks the type texts. A domain is shown as what it is made of.
func (b *bench) compareTypes(f family, table *changelog.Table) {
	b.t.Helper()
	want := b.rows(`SET search_path = pg_catalog; WITH RECURSIVE bottom (num, typ, modifier) AS (
  SELECT attnum, atttypid, atttypmod FROM pg_attribute WHERE attrelid = 'public.` + f.name + `'::regclass AND attnum > 0
  UNION ALL SELECT num, typbasetype, typtypmod FROM bottom JOIN pg_type t ON t.oid = typ WHERE typtype = 'd')
SELECT format_type(b.typ, b.modifier), coalesce(e.typtype = 'd', false) FROM bottom b JOIN pg_type t ON t.oid = b.typ LEFT JOIN pg_type e ON e.oid = t.typelem
 WHERE t.typtype <> 'd' ORDER BY num`)
	b.exec("SET search_path = public")
	for i, w := range want {
		if c := table.Columns[i]; c.SourceType != w[0] && w[1] != "t" || w[1] == "t" && !strings.HasSuffix(c.SourceType, "[]") {
			b.t.Errorf("%s: got the type %q, want %q", f.name, c.SourceType, w[0])
		}
	}
}

// TestTypesThatAppearWhileRunning makes types and tables of them under the stream, renames them, and changes columns' types.
func TestTypesThatAppearWhileRunning(t *testing.T) {
	steps := []struct {
		statements []string
		want       string // type text and canonical text of the column c after the last statement
	}{
		{[]string{"CREATE TABLE first (id int PRIMARY KEY, c text)", "INSERT INTO first VALUES (1, 'a')"}, "text a"},
		{[]string{"CREATE TYPE mood AS ENUM ('happy')", "CREATE TABLE later (id int PRIMARY KEY, c mood)", "INSERT INTO later VALUES (1, 'happy')"}, "public.mood happy"},
		{[]string{"ALTER TYPE mood ADD VALUE 'so so'", "INSERT INTO later VALUES (2, 'so so')"}, "public.mood so so"},
		{[]string{"ALTER TABLE later ALTER c TYPE mood[] USING ARRAY[c]", "INSERT INTO later VALUES (3, '{happy,NULL}')"}, `public.mood[] ["happy",null]`},
		{[]string{"CREATE DOMAIN price AS numeric(10,2)", "CREATE DOMAIN prices AS price[]", "CREATE TABLE priced (id int PRIMARY KEY, c prices)", "INSERT INTO priced VALUES (1, '{1.5,NULL}')"}, `numeric(10,2)[] ["1.50",null]`},
		{[]string{"ALTER TABLE priced ALTER c TYPE price USING c[1]", "INSERT INTO priced VALUES (2, 2)"}, "numeric(10,2) 2.00"},
		{[]string{"ALTER TABLE priced ALTER c TYPE numeric(12,3)", "INSERT INTO priced VALUES (3, 2)"}, "numeric(12,3) 2.000"},
		{[]string{"ALTER TABLE priced ALTER c TYPE numeric", "INSERT INTO priced VALUES (4, 2)"}, "numeric 2"},
		{[]string{`CREATE TYPE "Pair of" AS (a int, b text)`, `ALTER TABLE priced DROP c, ADD c "Pair of"`, "INSERT INTO priced VALUES (5, ROW(1, 'x y'))"}, `public."Pair of" (1,"x y")`},
		{[]string{`ALTER TYPE "Pair of" RENAME TO pair`, `ALTER TABLE priced ADD d int`, "INSERT INTO priced VALUES (6, ROW(1, 'x'))"}, "public.pair (1,x)"},
		{[]string{"CREATE EXTENSION hstore", "ALTER TABLE priced DROP c, ADD c hstore", "INSERT INTO priced (id, c) VALUES (7, 'a=>NULL')"}, `public.hstore {"a":null}`},
		{[]string{"BEGIN", "CREATE TYPE inner_type AS ENUM ('x')", "CREATE TABLE inner_table (id int PRIMARY KEY, c inner_type)", "INSERT INTO inner_table VALUES (1, 'x')", "COMMIT"}, "public.inner_type x"},
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			b := newBench(t, version)
			src := b.open()
			b.exec(steps[0].statements...)
			seen := 0
			err := follow(t, src, func(table *changelog.Table, ch *changelog.Change) bool {
				if ch.Op != changelog.Insert {
					return false // a rewritten table sends nothing, but be sure
				}
				i := table.ColumnIndex("c")
				if got := table.Columns[i].SourceType + " " + canonical(t, ch.After[i], ""); got != steps[seen].want {
					t.Errorf("step %d: got %s, want %s", seen, got, steps[seen].want)
				}
				if seen++; seen < len(steps) {
					b.exec(steps[seen].statements...)
				}
				return seen == len(steps)
			})
			if err != nil {
				t.Fatalf("%v after step %d", err, seen)
			}
		})
	}
}

// TestTypesThatHaveGone reads rows whose types were dropped before they were read.
func TestTypesThatHaveGone(t *testing.T) {
	for name, tc := range map[string]struct {
		create, drop, value string
		want                string // type text and canonical text; "": schema_unknown
	}{
		"an enum":              {"CREATE TYPE gone AS ENUM ('x')", "DROP TYPE gone", "'x'", "public.gone x"},
		"a composite":          {"CREATE TYPE gone AS (a int)", "DROP TYPE gone", "ROW(1)", "public.gone (1)"},
		"a domain over text":   {"CREATE DOMAIN gone AS text", "DROP DOMAIN gone", "'x'", "text x"},
		"a domain over digits": {"CREATE DOMAIN gone AS numeric(10,2)", "DROP DOMAIN gone", "1", ""},
		"an extension's type":  {"CREATE EXTENSION hstore; CREATE DOMAIN gone AS hstore", "DROP DOMAIN gone; DROP EXTENSION hstore", "'a=>1'", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, versions[len(versions)-1])
			src := b.open()
			b.exec(tc.create, "CREATE TABLE t (id int PRIMARY KEY, c gone)", "INSERT INTO t VALUES (1, "+tc.value+")", "DROP TABLE t", tc.drop)
			got := ""
			err := follow(t, src, func(table *changelog.Table, ch *changelog.Change) bool {
				got = table.Columns[1].SourceType + " " + canonical(t, ch.After[1], "")
				return true
			})
			if got != tc.want || tc.want == "" && (!fault.Is(err, fault.SchemaUnknown) || !fault.IsFinal(err)) || tc.want != "" && err != nil {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}
