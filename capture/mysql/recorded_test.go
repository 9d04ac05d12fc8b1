package mysql

import (
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// The files in testdata are binlog files of real servers and what SELECT returned for the same rows afterwards;
// integration/mysqltypes/regenerate.sh makes them. Everything that the decoder gives is compared with that text.

type recordedTable struct {
	Columns []struct {
		Name, Type, Charset            string
		Nullable, Generated, Invisible bool
	}
	Key  []string
	Rows [][]*string
}

// serverText is the value as the recording's SELECT shows it.
func serverText(v changelog.Value, t changelog.Type) string {
	c := v.Civil()
	switch v.Kind() {
	case changelog.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	case changelog.KindUint, changelog.KindBits:
		return strconv.FormatUint(v.Uint(), 10)
	case changelog.KindDecimal, changelog.KindString, changelog.KindJSON:
		return string(v.Bytes())
	case changelog.KindBytes, changelog.KindVector:
		return strings.ToUpper(hex.EncodeToString(v.Bytes()))
	case changelog.KindGeometry:
		n := v.Uint()
		return strings.ToUpper(hex.EncodeToString(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, v.Bytes()...)))
	case changelog.KindDate:
		return string(changelog.AppendDate(nil, c))
	case changelog.KindTime:
		return string(changelog.AppendSpan(nil, v.Int(), t.FSP))
	case changelog.KindDateTime, changelog.KindTimestamp:
		return string(changelog.AppendClock(append(changelog.AppendDate(nil, c), ' '), c, t.FSP))
	case changelog.KindEnum, changelog.KindSet:
		return strconv.FormatUint(v.Uint(), 10) + ":" + string(v.Bytes())
	}
	return "a value of kind " + strconv.Itoa(int(v.Kind()))
}

// sameNumber compares floating point numbers, for which the server's text has other forms than ours.
func sameNumber(v changelog.Value, text string) bool {
	want, err := strconv.ParseFloat(text, 64)
	switch v.Kind() {
	case changelog.KindFloat32:
		return err == nil && float64(v.Float32()) == want
	case changelog.KindFloat64:
		return err == nil && v.Float64() == want
	}
	return false
}

func TestRecordedRowsEqualSelect(t *testing.T) {
	files, err := filepath.Glob("testdata/*.binlog.gz")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, file := range files {
		if strings.Contains(file, "refused") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			var want struct{ Tables map[string]recordedTable }
			if err := json.Unmarshal(unpack(t, strings.TrimSuffix(file, ".binlog.gz")+".json.gz"), &want); err != nil {
				t.Fatal(err)
			}
			r := newRecording()
			defer r.payload.close()
			r.facts = map[string][]columnFacts{}
			for name, table := range want.Tables {
				for _, c := range table.Columns {
					r.facts[name] = append(r.facts[name], columnFacts{Name: c.Name, ColumnType: c.Type, Generated: c.Generated})
				}
			}
			if err := r.play(unpack(t, file)); err != nil {
				t.Fatal(err)
			}
			if len(r.faults) > 0 {
				t.Fatalf("faults: %v", r.faults)
			}
			for name, table := range want.Tables {
				t.Run(name, func(t *testing.T) { compareTable(t, r, name, table) })
			}
		})
	}
}

func compareTable(t *testing.T, r *recording, name string, want recordedTable) {
	s := r.lastShape(name)
	if s == nil {
		t.Fatal("the recording has no rows of it")
	}
	rows := r.rows[name]
	id := s.table.ColumnIndex("id")
	slices.SortStableFunc(rows, func(a, b changelog.Row) int { return int(a[id].Int() - b[id].Int()) })
	if len(rows) != len(want.Rows) || len(s.table.Columns) != len(want.Columns) {
		t.Fatalf("%d rows of %d columns, want %d of %d", len(rows), len(s.table.Columns), len(want.Rows), len(want.Columns))
	}
	for j, col := range s.table.Columns {
		w := want.Columns[j]
		if col.Name != w.Name || col.SourceType != w.Type || col.Nullable != w.Nullable || col.Generated != w.Generated || col.Invisible != w.Invisible || (w.Charset != "" && w.Charset != col.Type.Charset) {
			t.Errorf("column %d: %+v, want %+v", j, col, w)
		}
		if plain := plainColumn(r, name, j); plain != plainType(w.Type) {
			t.Errorf("column %s without the catalogue: %s, want %s", col.Name, plain, plainType(w.Type))
		}
	}
	for i := range rows {
		for j := range rows[i] {
			v, w := rows[i][j], want.Rows[i][j]
			if v.IsNull() || w == nil {
				if !v.IsNull() || w != nil {
					t.Errorf("row %d column %s: NULL here and not there", i, s.table.Columns[j].Name)
				}
				continue
			}
			if got := serverText(v, s.table.Columns[j].Type); got != zerofilled(*w, want.Columns[j].Type) && !sameNumber(v, *w) {
				t.Errorf("row %d column %s: got  %.300q\nwant %.300q", i, s.table.Columns[j].Name, got, *w)
			}
			if v.Kind() != s.table.Columns[j].Type.Kind {
				t.Errorf("row %d column %s: a value of kind %d in a column of kind %d", i, s.table.Columns[j].Name, v.Kind(), s.table.Columns[j].Type.Kind)
			}
		}
	}
	var key []string
	for _, k := range s.table.Key {
		key = append(key, s.table.Columns[k].Name)
	}
	if name != "promoted" && !slices.Equal(key, want.Key) {
		t.Errorf("key %v, want %v", key, want.Key)
	}
	if name == "promoted" && !slices.Equal(key, []string{"u"}) {
		t.Errorf("key %v, want the promoted unique key", key)
	}
}

// lastShape is the table's newest shape: the one with most columns in these scripts.
func (r *recording) lastShape(name string) *shape {
	var last *shape
	for _, s := range r.shapes {
		if s.table.Name == name && (last == nil || len(s.columns) > len(last.columns)) {
			last = s
		}
	}
	return last
}

// plainColumn is the column's type text as the log alone gives it.
func plainColumn(r *recording, name string, j int) string {
	var last string
	for _, m := range r.maps {
		if string(m.Name) == name {
			if s, err := newShape(m, nil); err == nil && j < len(s.table.Columns) {
				last = s.table.Columns[j].SourceType
			}
		}
	}
	return last
}

// zerofilled takes the zeros away that only the display has.
func zerofilled(text, typ string) string {
	if !strings.HasSuffix(typ, "zerofill") {
		return text
	}
	text = strings.TrimLeft(text, "0")
	if text == "" || text[0] == '.' {
		text = "0" + text
	}
	return text
}

func TestTablesThatTheLogDoesNotDescribeAreRefused(t *testing.T) {
	for _, version := range []string{"8.0", "9.7"} {
		r := recorded(t, "refused-"+version)
		want := []fault.Code{fault.SchemaUnknown, fault.SchemaUnknown}
		if !slices.Equal(r.faults, want) {
			t.Errorf("%s: %v, want %v", version, r.faults, want)
		}
	}
}

func TestRecordedTransactionEvents(t *testing.T) {
	for _, version := range []string{"8.0", "9.7"} {
		r := recorded(t, "tables-"+version)
		if r.kinds[eventTransactionPayload] != 1 || r.kinds[eventXAPrepare] != 2 || r.kinds[eventXID] < 10 || len(r.gtids) < 20 {
			t.Errorf("%s: events %v", version, r.kinds)
		}
		var tagged int
		last := int64(0)
		for _, g := range r.gtids {
			if len(g.Tag) > 0 {
				tagged++
				if string(g.Tag) != "blue" || g.GNO < 1 {
					t.Errorf("%s: tag %q:%d", version, g.Tag, g.GNO)
				}
			} else if last != 0 && g.GNO != last+1 {
				t.Errorf("%s: transaction %d follows %d", version, g.GNO, last)
			}
			if len(g.Tag) == 0 {
				last = g.GNO
			}
			const in2024, in2100 = 1_704_067_200_000_000, 4_102_444_800_000_000
			if g.UUID != r.gtids[0].UUID || g.Length < 100 || g.ImmediateCommit < in2024 || g.ImmediateCommit > in2100 || g.OriginalCommit != g.ImmediateCommit ||
				g.ServerVersion < 80000 || g.ServerVersion != g.OriginalVersion || g.Sequence <= g.LastCommitted {
				t.Errorf("%s: %+v", version, g)
			}
		}
		if want := map[string]int{"8.0": 0, "9.7": 1}[version]; tagged != want {
			t.Errorf("%s: %d tagged transactions, want %d", version, tagged, want)
		}
	}
}
