package postgressource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/integration/postgrestypes"
	"cdcbridge/integration/servers"
)

// followed is a stream whose rows are taken one by one.
type followed struct {
	t   *testing.T
	src capture.Scanner
	out chan *changelog.Batch
}

func follow(t *testing.T, b *bench) *followed {
	t.Helper()
	src, _, err := open(t, b.config(), "")
	if err != nil {
		t.Fatal(err)
	}
	f := &followed{t: t, src: src.(capture.Scanner), out: make(chan *changelog.Batch)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		if err := src.Stream(ctx, f.out); ctx.Err() == nil {
			t.Error(err)
		}
		close(f.out)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		for b := range f.out {
			b.Release()
		}
		<-ended
		_ = src.Close()
	})
	return f
}

// row waits for a row and gives its new image and its table. The batch is not released.
func (f *followed) row() (changelog.Row, *changelog.Table) {
	f.t.Helper()
	for b := range f.out {
		f.src.Ack(b.Next.Pos)
		if len(b.Runs) > 0 {
			return b.Changes[len(b.Changes)-1].After, b.Runs[len(b.Runs)-1].Table
		}
		b.Release()
	}
	f.t.Fatal("the stream ended")
	return nil, nil
}

// TestWords: comments, who numbers a column, defaults of domains, and none where there is none. A reader describes the table alike, also
// after a change that the log does not tell.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v})
			b.exec("CREATE DOMAIN five AS int DEFAULT 5", "CREATE DOMAIN other AS text", "CREATE TYPE mood AS ENUM ('ok', 'it''s')",
				"CREATE TABLE w (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, s serial, f five, f6 five DEFAULT 6, o other DEFAULT 'x', m mood DEFAULT 'it''s', n text, nn text NOT NULL DEFAULT 'it''s', nu text DEFAULT NULL, "+
					"g int GENERATED ALWAYS AS (7) STORED, c char(3) DEFAULT 'é', b boolean DEFAULT false, now timestamptz DEFAULT now(), d date DEFAULT 'yesterday', a int[] DEFAULT '{1,2}', i interval DEFAULT '1 day', q numeric(5,2) DEFAULT 1, neg smallint DEFAULT -1, h numeric(5,2) DEFAULT 1.005)",
				"COMMENT ON TABLE w IS 'it''s'", "COMMENT ON COLUMN w.n IS 'ü'")
			s := startScanning(t, b.config(), "")
			b.exec("INSERT INTO w DEFAULT VALUES")
			table := s.streamedAtLeast(1)[0].table
			row := s.mustScan(s.reader(), capture.Chunk{Table: s.table("public.w")})
			if row.table != table {
				t.Errorf("%+v\n%+v", row.table, table)
			}
			if table.Comment != "it's" {
				t.Errorf("comment %q", table.Comment)
			}
			var got []string
			for _, c := range table.Columns {
				text := c.Name
				if c.AutoIncrement {
					text += " numbered"
				}
				if c.Comment != "" {
					text += " " + c.Comment
				}
				if d := c.Default; d != nil && d.Value.IsUnchanged() {
					text += " computed"
				} else if d != nil {
					text += " = " + dumpValue(d.Value)
				}
				got = append(got, text)
			}
			want := []string{"id numbered", "s numbered computed", "f = 3/0:5:5:\"\"", "f6 = 3/0:6:6:\"\"", "o = 8/0:0:0:\"x\"", "m = 8/0:0:0:\"it's\"", "n ü", "nn = 8/0:0:0:\"it's\"", "nu", "c = 8/0:0:0:\"é  \"", "b = 2/0:0:0:\"\"", "now computed",
				"a = 23[3/0:1:1:\"\" | 3/0:2:2:\"\"]", "i = interval 0 0 1 0", "q = 7/0:0:0:\"1.00\"", "neg = 3/0:18446744073709551615:-1:\"\"", "h computed"}
			got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "d = 11/") || s == "g" })
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestDefaultsOfEveryType makes each value of the type matrix a default: it is what a row gets that does not name the column, or it
// says that the server computes it.
func TestDefaultsOfEveryType(t *testing.T) {
	t.Parallel()
	for _, v := range versions[:1] {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.PostgresOptions{Version: v, Settings: map[string]string{"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY", "bytea_output": "escape", "intervalstyle": "iso_8601"}})
			number, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			tables := slices.DeleteFunc(postgrestypes.Tables(), func(table postgrestypes.Table) bool { return table.Since > number })
			for _, table := range tables {
				b.exec(table.Create...)
			}
			f := follow(t, b)
			constants, computed := 0, map[string]int{}
			for _, table := range tables {
				for n, row := range table.Rows {
					var all []string
					for i, value := range row {
						all = append(all, fmt.Sprintf("ALTER c%d SET DEFAULT %s", i, value))
					}
					if _, err := b.db.ExecContext(t.Context(), "ALTER TABLE "+table.Name+" "+strings.Join(all, ", ")); err != nil {
						for _, one := range all { // some are made by what no default may have
							_, _ = b.db.ExecContext(t.Context(), "ALTER TABLE "+table.Name+" "+one)
						}
					}
					b.exec(fmt.Sprintf("INSERT INTO %s (id) VALUES (%d)", table.Name, n))
					got, shape := f.row()
					for i, c := range shape.Columns[1:] {
						switch d := c.Default; {
						case d == nil && !got[i+1].IsNull():
							t.Errorf("%s %s: no default, the row has %s", table.Name, c.SourceType, dumpValue(got[i+1]))
						case d == nil:
						case d.Value.IsUnchanged():
							computed[c.SourceType+" "+d.Text]++
						case !d.Value.Equal(got[i+1]):
							t.Errorf("%s %s: the default of %s is %s, the row has %s", table.Name, c.SourceType, d.Text, dumpValue(d.Value), dumpValue(got[i+1]))
						default:
							constants++
						}
					}
				}
			}
			t.Logf("%d constants, %d others: %q", constants, len(computed), slices.Sorted(maps.Keys(computed)))
			if constants < 300 {
				t.Error("too few constants")
			}
		})
	}
}
