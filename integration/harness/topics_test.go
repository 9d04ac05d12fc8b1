package harness

import (
	"strings"
	"testing"
)

func record(key, value, txn, ord, op, pos string, offset int64) Record {
	r := Record{Offset: offset, Key: []byte(key), Headers: map[string]string{"cdc.txn": txn, "cdc.ord": ord, "cdc.op": op, "cdc.pos": pos}}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

func TestFoldKeepsTheLastRecordOfEachKey(t *testing.T) {
	m := Fold([]Record{record("a", "1", "t:1", "0", "c", "f:1", 0), record("b", "1", "t:1", "1", "c", "f:1", 1),
		record("a", "2", "t:2", "0", "u", "f:2", 2), record("b", "", "t:2", "1", "x", "f:2", 3)})
	if len(m) != 1 || string(m["a"].Value) != "2" {
		t.Errorf("folded to %v", m)
	}
}

func TestCheckOnceSeesWhatMustNotBe(t *testing.T) {
	first := record("a", "1", "t:1", "0", "c", "binlog.000001:100", 0)
	for name, tc := range map[string]struct {
		then Record
		want string
	}{
		"next change":       {record("a", "2", "t:2", "0", "u", "binlog.000001:200", 1), ""},
		"same change twice": {record("a", "1", "t:1", "0", "c", "binlog.000001:100", 1), "again"},
		"older change":      {record("a", "0", "t:0", "0", "c", "binlog.000001:50", 1), "comes after"},
		"older ordinal":     {record("a", "0", "t:1", "0", "d", "binlog.000001:99", 1), "comes after"},
		"another key":       {record("b", "0", "t:0", "0", "c", "binlog.000001:50", 1), ""},
		"no position":       {record("a", "0", "t:3", "0", "c", "", 1), "no position"},
		"bad position":      {record("a", "0", "t:3", "0", "c", "binlog.000001:x", 1), "reading the position"},
	} {
		err := CheckOnce([]Record{first, tc.then})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// In PostgreSQL the order is that of the commits, whatever the places of the changes.
func TestCheckOnceOrdersByCommit(t *testing.T) {
	first := record("a", "1", "740:2000", "3", "d", "00000000/000007D0:00000000/00000150", 0)
	for name, tc := range map[string]struct {
		then Record
		want string
	}{
		"inserted before the delete, committed behind it": {record("a", "2", "741:2100", "0", "c", "00000000/00000834:00000000/00000140", 1), ""},
		"next file of the log":                            {record("a", "2", "742:4294967296", "0", "c", "00000001/00000000:00000000/FFFFFF00", 1), ""},
		"committed before it":                             {record("a", "2", "739:1900", "9", "u", "00000000/0000076C:00000000/00000160", 1), "comes after"},
		"earlier in its transaction":                      {record("a", "2", "740:2000", "2", "u", "00000000/000007D0:00000000/00000160", 1), "comes after"},
	} {
		err := CheckOnce([]Record{first, tc.then})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
