package postgres

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"

	"cdcbridge/changelog"
)

// The files in testdata are what real walsenders sent, and what SELECT and the catalogue said of the tables afterwards;
// integration/postgressource/record makes them.

type recordedTable struct {
	OID                   uint32
	Key, Columns, NotNull []string
	Rows                  [][]*string
}

// recording is one file, cut into its frames.
type recording struct {
	start  pglogrepl.LSN
	tables map[string]recordedTable
	frames [][]byte
}

func recorded(t testing.TB, version string) *recording {
	t.Helper()
	var text struct {
		Start  string
		Tables map[string]recordedTable
	}
	if err := json.Unmarshal(unpack(t, "testdata/stream-"+version+".json.gz"), &text); err != nil {
		t.Fatal(err)
	}
	start, err := strictLSN(text.Start)
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{start: start, tables: text.Tables}
	var last uint64
	for log := unpack(t, "testdata/stream-"+version+".wal.gz"); len(log) > 0; {
		n := 1 + int(binary.BigEndian.Uint32(log[1:]))
		if log[frameHead] == 'w' {
			last = binary.BigEndian.Uint64(log[frameHead+1:])
		}
		r.frames, log = append(r.frames, log[:n]), log[n:]
	}
	r.frames = append(r.frames, keepaliveFrame(last+1000, 0)) // what the server says next, so that the last message has a position
	return r
}

func unpack(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// from is what the server would send from a position: transactions that end behind it, and what describes their tables.
func (r *recording) from(t *testing.T, lsn pglogrepl.LSN) []byte {
	t.Helper()
	var out []byte
	skip := false
	for i, f := range r.frames {
		p := f[frameHead:]
		if p[0] == 'k' {
			if i == len(r.frames)-1 {
				out = append(out, f...)
			}
			continue
		}
		body := p[dataHead:]
		switch messageType(body[0]) {
		case messageBegin:
			b, err := parseBegin(body)
			if err != nil {
				t.Fatal(err)
			}
			skip = b.Commit < lsn
		case messageRelation, messageTypeName:
			out = append(out, f...)
			continue
		case messageLogical:
			if m, _ := parseLogical(body); !m.Transactional && m.LSN < lsn {
				continue
			}
		}
		if !skip {
			out = append(out, f...)
		}
		if messageType(body[0]) == messageCommit {
			skip = false
		}
	}
	return out
}

func (r *recording) play(t *testing.T, log []byte, from *position, batchBytes, chunk int) ([]*changelog.Batch, error) {
	t.Helper()
	return play(t, log, from, batchBytes, chunk, func(s *stream, c *memCatalog) {
		s.cfg.Messages = true
		for name, table := range r.tables {
			f := &tableFacts{schema: "public", name: name, key: table.Key}
			for _, column := range table.Columns {
				f.columns = append(f.columns, columnFacts{name: column, notNull: slices.Contains(table.NotNull, column), published: true})
			}
			c.facts[table.OID] = f
		}
	})
}

func (r *recording) position() *position {
	return &position{system: "7431", timeline: 1, slot: "s", lsn: r.start}
}

// texts are all changes, notes included, as the recording's SELECT would print them.
func texts(batches []*changelog.Batch) (out []string, tables []*changelog.Table) {
	for _, b := range batches {
		notes := b.Notes
		for _, run := range b.Runs {
			for i, c := range b.Changes[run.From:run.To] {
				for len(notes) > 0 && notes[0].At <= run.From+i {
					out, tables, notes = append(out, "note "+notes[0].Prefix+" "+notes[0].Text), append(tables, nil), notes[1:]
				}
				out = append(out, fmt.Sprintf("%s #%d %s %s|%s|%s", b.Txns[run.Txn].ID, c.Index, run.Table.Name, c.Op, rowText(c.Before), rowText(c.After)))
				tables = append(tables, run.Table)
			}
		}
		for _, n := range notes {
			out, tables = append(out, "note "+n.Prefix+" "+n.Text), append(tables, nil)
		}
	}
	return out, tables
}

func rowText(row changelog.Row) string {
	if row == nil {
		return "-"
	}
	parts := make([]string, len(row))
	for i, v := range row {
		switch v.Kind() {
		case changelog.KindNull:
			parts[i] = "NULL"
		case changelog.KindUnchanged:
			parts[i] = "?"
		case changelog.KindInt:
			parts[i] = fmt.Sprint(v.Int())
		default:
			parts[i] = "'" + string(v.Bytes()) + "'"
		}
	}
	return strings.Join(parts, ",")
}

// fold applies changes to empty tables: table → key → row.
func fold(t *testing.T, changes []string, tables []*changelog.Table) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	keyOf := func(x *changelog.Table, row string) string {
		values := strings.Split(row, ",")
		var key []string
		for _, k := range x.Key {
			if values[k] == "?" {
				t.Fatalf("%s: the key of %s is not known", x.Name, row)
			}
			key = append(key, values[k])
		}
		return strings.Join(key, ",")
	}
	for i, c := range changes {
		x := tables[i]
		if x == nil {
			continue
		}
		parts := strings.Split(c, "|")
		rows := out[x.Name]
		if rows == nil {
			rows = map[string]string{}
			out[x.Name] = rows
		}
		if parts[1] != "-" {
			delete(rows, keyOf(x, parts[1]))
		}
		if parts[2] != "-" {
			rows[keyOf(x, parts[2])] = parts[2]
		}
	}
	return out
}

func TestRecordedStreamsEqualSelect(t *testing.T) {
	for _, version := range []string{"15", "18"} {
		t.Run(version, func(t *testing.T) {
			r := recorded(t, version)
			log := bytes.Join(r.frames, nil)
			var first []string
			for _, size := range []int{1 << 20, 16 << 10, minBatchBytes} {
				batches, err := r.play(t, log, r.position(), size, size%97)
				if err != nil {
					t.Fatal(err)
				}
				ordinals(t, batches)
				changes, tables := texts(batches)
				if first == nil {
					first = changes
					r.compare(t, changes, tables)
					r.look(t, batches)
				}
				for i := range max(len(changes), len(first)) {
					if i >= len(changes) || i >= len(first) || changes[i] != first[i] {
						t.Fatalf("batches of %d bytes hold other changes: %d, not %d; number %d is %.200q, not %.200q", size, len(changes), len(first), i, changes[min(i, len(changes)-1)], first[min(i, len(first)-1)])
					}
				}
				r.resume(t, batches, size)
			}
		})
	}
}

// compare compares the folded changes with the tables' rows. The last changes of a table have its last shape; every row that
// has another one was changed after it got that.
func (r *recording) compare(t *testing.T, changes []string, tables []*changelog.Table) {
	t.Helper()
	got := fold(t, changes, tables)
	for name, table := range r.tables {
		if name == "other" {
			if got[name] != nil {
				t.Errorf("%s was captured", name)
			}
			continue
		}
		want := map[string]string{}
		i := slices.IndexFunc(tables, func(x *changelog.Table) bool { return x != nil && x.Name == name })
		if i < 0 {
			t.Fatalf("%s has no changes", name)
		}
		for j := len(tables) - 1; j >= 0; j-- {
			if tables[j] != nil && tables[j].Name == name {
				i = j
				break
			}
		}
		x := tables[i]
		for _, row := range table.Rows {
			texts := make([]string, len(row))
			for j, v := range row {
				switch {
				case v == nil:
					texts[j] = "NULL"
				case x.Columns[j].Type.Kind == changelog.KindInt:
					texts[j] = *v
				default:
					texts[j] = "'" + *v + "'"
				}
			}
			var key []string
			for _, k := range x.Key {
				key = append(key, texts[k])
			}
			want[strings.Join(key, ",")] = strings.Join(texts, ",")
		}
		if !maps.Equal(got[name], want) {
			for k := range want {
				if got[name][k] != want[k] {
					t.Errorf("%s %s: got %.80q, want %.80q", name, k, got[name][k], want[k])
					break
				}
			}
			t.Errorf("%s: %d rows, want %d", name, len(got[name]), len(want))
		}
	}
}

// look checks what is said beside the rows.
func (r *recording) look(t *testing.T, batches []*changelog.Batch) {
	t.Helper()
	var notes []string
	replicas, versions := 0, map[string]int{}
	for _, b := range batches {
		for _, n := range b.Notes {
			notes = append(notes, n.Prefix+" "+n.Text)
		}
		for _, x := range b.Txns {
			if x.Origin.Replica == "elsewhere" && x.Origin.ReplicaLSN == 0x1234 {
				replicas++
			}
		}
		for _, run := range b.Runs {
			versions[run.Table.Name] = max(versions[run.Table.Name], run.Table.Version)
			if x := run.Table; x.Name == "pairs" && (x.Columns[x.Key[0]].Name != "b" || x.Columns[x.Key[1]].Name != "a" || x.Columns[0].Nullable || !x.Columns[2].Nullable) {
				t.Errorf("%+v", x)
			}
		}
	}
	if want := []string{"test outside", "test within", "test the end of the recording"}; !slices.Equal(notes[:2], want[:2]) {
		t.Errorf("notes %q, want %q", notes, want)
	}
	if replicas != 1 || versions["orders"] != 3 || versions["late"] != 1 {
		t.Errorf("%d transactions from elsewhere, versions %v", replicas, versions)
	}
}

// resume plays the rest from the position of every batch, as far as there are few of them.
func (r *recording) resume(t *testing.T, batches []*changelog.Batch, size int) {
	t.Helper()
	all, _ := texts(batches)
	step := max(1, len(batches)/40)
	for i := 0; i < len(batches)-1; i += step {
		before, _ := texts(batches[:i+1])
		p, err := parsePosition(batches[i].Next.Pos)
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.play(t, r.from(t, p.lsn), p, size, 0)
		if err != nil {
			t.Fatalf("from %s: %v", batches[i].Next.Pos, err)
		}
		if got, _ := texts(again); !slices.Equal(got, all[len(before):]) {
			t.Fatalf("from %s: %d changes, want %d", batches[i].Next.Pos, len(got), len(all)-len(before))
		}
	}
}

// FuzzRecorded changes bytes of a real stream.
func FuzzRecorded(f *testing.F) {
	r := recorded(f, "18")
	log := bytes.Join(r.frames, nil)[:60<<10]
	f.Add(100, byte(1))
	f.Add(5000, byte('u'))
	f.Fuzz(func(t *testing.T, at int, with byte) {
		if at < 0 {
			return
		}
		damaged := bytes.Clone(log)
		damaged[at%len(damaged)] ^= with
		_, _ = play(t, damaged, r.position(), minBatchBytes, 0) // any error is right
	})
}
