package differential

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/formats/debezium"
)

// differs are the columns that Debezium itself writes otherwise in a snapshot than in the stream, so that nobody can read one row from both, and
// the tables of which other rows were inserted later.
var differs = map[string]string{
	"mysql documents j":          "numbers and times within documents are written anew in the stream",
	"mysql floats f":             "a snapshot has six digits of a FLOAT",
	"mysql floats fu":            "a snapshot has six digits of a FLOAT",
	"mysql times_far dt0":        "a snapshot takes days before 1582 for Julian ones",
	"mysql zeros dt6":            "a snapshot makes another date of one with a zero in it",
	"mysql zeros ts":             "MariaDB: a zero timestamp is null or another time in a snapshot, 1970 in the stream",
	"mysql zeros tsn":            "MariaDB: as above",
	"mysql zeros y":              "the year 0000 is 2000 in a snapshot, 1900 in the stream",
	"mysql defaults":             "other rows",
	"mysql defaults_now":         "other rows",
	"postgresql names n":         "the stream has null for a name",
	"postgresql times_endless d": "a snapshot takes days before 1582 for Julian ones",
	"postgresql times_far d":     "a snapshot takes days before 1582 for Julian ones",
}

// TestDebeziumIsRead reads every record that Debezium wrote into typed rows. A row that was there before the snapshot was inserted again later,
// with an id greater by 100: however differently Debezium writes the two, they read as the same values.
func TestDebeziumIsRead(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".golden")
		t.Run(name, func(t *testing.T) {
			r := newRows(t)
			r.typed = !strings.HasSuffix(name, "-plain") // without a schema a text may be anything
			all := readGolden(t, name)
			for _, topic := range slices.Sorted(maps.Keys(all)) {
				for i, rec := range all[topic] {
					r.read(&formats.Record{Topic: topic, Offset: int64(i), Key: raw(rec.key), Value: raw(rec.value)})
				}
			}
			if r.changes == 0 || r.typed && r.pairs == 0 {
				t.Errorf("%d changes, %d of them compared", r.changes, r.pairs)
			}
		})
	}
}

func raw(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

// rows keeps what was read of each table.
type rows struct {
	t       *testing.T
	reader  formats.Reader
	known   map[string]map[int64]changelog.Row
	typed   bool
	changes int
	pairs   int
}

func newRows(t *testing.T) *rows {
	r := &rows{t: t, known: map[string]map[int64]changelog.Row{}}
	r.reader = debezium.NewConfig().Reader(formats.ReaderOptions{Intern: func(t *changelog.Table) *changelog.Table { return t }})
	return r
}

func (r *rows) read(rec *formats.Record) {
	r.t.Helper()
	b := new(changelog.Batch) // keeps its rows
	if err := r.reader.Read(b, rec); err != nil {
		r.t.Errorf("%s@%d: %v", rec.Topic, rec.Offset, err)
		return
	}
	for _, run := range b.Runs {
		for i := range b.Changes[run.From:run.To] {
			r.changes++
			r.compare(run.Table, &b.Changes[run.From+i])
		}
	}
}

// compare holds an inserted row to the one that the snapshot read.
func (r *rows) compare(table *changelog.Table, ch *changelog.Change) {
	if !r.typed || len(table.Columns) == 0 || table.Columns[0].Name != "id" || ch.After == nil || ch.After[0].Kind() != changelog.KindInt {
		return
	}
	name := strings.Replace(table.Origin, "mariadb", "mysql", 1) + " " + table.Name // one connector wrote the other
	id := ch.After[0].Int()
	if ch.Op == changelog.Read {
		if r.known[name] == nil {
			r.known[name] = map[int64]changelog.Row{}
		}
		r.known[name][id] = ch.After
		return
	}
	old := r.known[name][id-100]
	if ch.Op != changelog.Insert || len(old) != len(ch.After) {
		return
	}
	r.pairs++
	for i := 1; i < len(old); i++ {
		if column := table.Columns[i].Name; !old[i].Equal(ch.After[i]) && differs[name] == "" && differs[name+" "+column] == "" {
			r.t.Errorf("%s %d, column %s (%s): %s was read and %s was streamed", name, id, column, table.Columns[i].SourceType, show(old[i]), show(ch.After[i]))
		}
	}
}

func show(v changelog.Value) string {
	return fmt.Sprintf("kind %d form %d number %d %.80q %v", v.Kind(), v.Form(), v.Int(), v.Bytes(), len(v.Elems()))
}
