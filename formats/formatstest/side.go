package formatstest

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// Sides holds a format to the contract of formats.SideEncoder, with options that ask for every record beside the rows that it
// has: nothing unasked, records that append and keep nothing and are the same for the same, none without key among compacted
// rows, and none that the format's own decoder takes for a row.
func Sides(t *testing.T, kind formats.Kind, asked formats.Config) {
	t.Helper()
	if w, ok := kind.Config().Format(env()).(formats.SideWriter); ok {
		if enc := w.Side(formats.SideOptions{Prefix: "shop1"}); enc != nil {
			t.Error("something is written beside the rows unasked")
		}
	}
	for _, upsert := range []bool{false, true} {
		enc := asked.Format(env()).(formats.SideWriter).Side(formats.SideOptions{Prefix: "shop1", Upsert: upsert})
		if enc == nil {
			t.Fatal("nothing is written although it is asked for")
		}
		for _, db := range databases() {
			for _, r := range sideRecords(&db) {
				if topic := enc.Topic(r.About); topic != "" && (!upsert || !refusedCompacted(asked, &db)) {
					r.check(t, asked.Decoder(), enc, upsert && topic == formats.TableTopic)
				}
			}
		}
	}
}

// refusedCompacted reports that no compacted topic is written with these options, since records beside the rows would be in it.
func refusedCompacted(asked formats.Config, db *database) bool {
	table := db.wide(db.columns())
	_, err := asked.Format(env()).Compile(table, formats.Options{Key: table.Key, Upsert: true})
	return fault.Is(err, fault.Config)
}

// sideRecord is what one record is about.
type sideRecord struct {
	name string
	formats.Beside
}

func sideRecords(db *database) []sideRecord {
	table := db.wide(db.columns())
	ctx := context(table)
	ctx.Run = nil
	outside := &formats.Context{Now: ctx.Now}
	note := func(k changelog.NoteKind, text string, edit func(*changelog.Note)) *changelog.Note {
		n := &changelog.Note{Kind: k, Table: table, Text: text, File: ctx.Txn.Origin.File, Pos: 4711, Time: ctx.Txn.Commit, Database: table.Database}
		if edit != nil {
			edit(n)
		}
		return n
	}
	list := []sideRecord{
		{"begin", formats.Beside{About: formats.AboutBegin, Context: ctx}},
		{"end", formats.Beside{About: formats.AboutEnd, Context: ctx, Counts: []changelog.Count{{Table: table.FullName(), Changes: 3}, {Table: `odd "name`, Changes: 1}}}},
		{"end of nothing", formats.Beside{About: formats.AboutEnd, Context: ctx}},
		{"truncation", formats.Beside{About: formats.AboutTruncate, Context: ctx, Note: note(changelog.Truncate, "TRUNCATE TABLE t", nil)}},
		{"heartbeat", formats.Beside{About: formats.AboutHeartbeat, Context: outside, Note: &changelog.Note{Kind: changelog.Heartbeat, Txn: -1}}},
	}
	if table.Schema != "" {
		return append(list,
			sideRecord{"message", formats.Beside{About: formats.AboutMessage, Context: ctx, Note: note(changelog.Message, "\x00\xff\"", func(n *changelog.Note) { n.Table, n.Prefix, n.Transactional = nil, `a"b`, true })}},
			sideRecord{"message between", formats.Beside{About: formats.AboutMessage, Context: outside, Note: note(changelog.Message, "", func(n *changelog.Note) { n.Table, n.Txn, n.Time = nil, -1, 0 })}})
	}
	for _, d := range []changelog.Definition{
		{Kind: changelog.Created, Name: table.Name, Table: table}, {Kind: changelog.Altered, Name: table.Name, Old: "old", Table: table},
		{Kind: changelog.Altered, Name: table.Name}, {Kind: changelog.Dropped, Name: table.Name},
	} {
		list = append(list, sideRecord{"definition", formats.Beside{About: formats.AboutStatement, Context: ctx, Note: note(changelog.DDL, "ALTER TABLE t COMMENT 'a\"\n\u2028'", func(n *changelog.Note) { n.Changed = []changelog.Definition{d} })}})
	}
	return append(list,
		sideRecord{"index", formats.Beside{About: formats.AboutStatement, Context: ctx, Note: note(changelog.DDL, "CREATE INDEX i ON t (a)", nil)}},
		sideRecord{"no table", formats.Beside{About: formats.AboutStatement, Context: ctx, Note: note(changelog.DDL, "DROP DATABASE d", func(n *changelog.Note) { n.Table = nil })}})
}

func (r *sideRecord) append(t *testing.T, enc formats.SideEncoder, key, value []byte) (k, v []byte, ok bool) {
	t.Helper()
	k, v, ok, err := enc.AppendSide(key, value, &r.Beside)
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	return k, v, ok
}

func (r *sideRecord) check(t *testing.T, decoder formats.Decoder, enc formats.SideEncoder, needsKey bool) {
	t.Helper()
	if n := enc.Partition(r.About); n < -1 {
		t.Errorf("%s: partition %d", r.name, n)
	}
	key, value, ok := r.append(t, enc, nil, nil)
	if !ok {
		return
	}
	if needsKey && key == nil {
		t.Errorf("%s: a record without key goes to a compacted topic: %s", r.name, value)
	}
	for _, doc := range [][]byte{key, value} {
		if doc != nil && !json.Valid(doc) {
			t.Errorf("%s is no JSON: %s", r.name, doc)
		}
	}
	if ev, err := decoder.Decode(key, value); err == nil {
		t.Errorf("%s is taken for a row: %s reads as %+v", r.name, value, ev)
	}
	r.checkAppends(t, enc, key, value)
}

// checkAppends encodes the record again behind other bytes, from several goroutines, and over what was returned.
func (r *sideRecord) checkAppends(t *testing.T, enc formats.SideEncoder, key, value []byte) {
	t.Helper()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			k, v, ok, err := enc.AppendSide([]byte("key"), []byte("value"), &r.Beside)
			if err != nil || !ok || (k == nil) != (key == nil) || k != nil && string(k) != "key"+string(key) || string(v) != "value"+string(value) {
				t.Errorf("%s again, behind others: %v %v\n%s\n%s", r.name, ok, err, k, v)
			}
			clear(k)
			clear(v)
		})
	}
	wg.Wait()
	if k, v, _ := r.append(t, enc, nil, nil); !bytes.Equal(k, key) || !bytes.Equal(v, value) {
		t.Errorf("%s depends on memory that it gave away", r.name)
	}
}
