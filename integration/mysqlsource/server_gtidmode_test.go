package mysqlsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// gtidModes are the steps from OFF to ON and back.
var gtidModes = []string{"OFF_PERMISSIVE", "ON_PERMISSIVE", "ON", "ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"}

// gtidVersions are those of the servers that have the variable.
var gtidVersions = harness.Longer([]string{"97", "57"}, []string{"97", "80", "57"})

// TestGTIDMode switches GTIDs on and off again, step by step, under a stream. Whether it goes on over all steps or begins anew after
// any of them, every row comes once. Positions of file and offset become sets of GTIDs at the first file that the server begins
// after it promised them, and sets become positions of file and offset when transactions without GTID come.
func TestGTIDMode(t *testing.T) {
	t.Parallel()
	for _, v := range gtidVersions {
		t.Run(v, func(t *testing.T) {
			b := newBench(t, servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=ON"}})
			b.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (0)")
			step := 0
			got, err := collect(t, b.config(), "", func(s *seen) bool {
				for len(s.changes) > step && step < len(gtidModes) { // the stream stands still meanwhile
					b.exec("SET GLOBAL gtid_mode="+gtidModes[step], fmt.Sprintf("INSERT INTO t VALUES (%d)", step+1))
					step++
				}
				return len(s.changes) > len(gtidModes)
			})
			if err != nil || len(got.changes) != len(gtidModes)+1 {
				t.Fatalf("%v %+v", err, got)
			}
			// What has GTIDs is not sent by a server that has none.
			_, err = collect(t, b.config(), got.positions[0], func(*seen) bool { return false })
			if f := wantFault(t, err, fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "OFF_PERMISSIVE") {
				t.Error(f)
			}
			b.exec("SET GLOBAL gtid_mode=OFF_PERMISSIVE")
			for i, p := range got.positions {
				if got.after[i] == len(got.changes) {
					continue
				}
				again, err := collect(t, b.config(), p, func(s *seen) bool { return len(s.changes) >= len(got.changes)-got.after[i] })
				if err != nil || !slices.Equal(again.changes, got.changes[got.after[i]:]) {
					t.Errorf("from %s: %v %+v", p, err, again)
				}
			}

			// The same, with a new source and a new file at each step.
			b.exec("SET GLOBAL gtid_mode=OFF", "DROP TABLE t", "CREATE TABLE t (id INT PRIMARY KEY)")
			cfg := b.config()
			cfg.Start = "latest"
			src, at, err := open(t, cfg, "")
			if err != nil {
				t.Fatal(err)
			}
			_ = src.Close()
			var forms []bool
			for i, mode := range gtidModes {
				b.exec("SET GLOBAL gtid_mode="+mode, fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
				at = b.follow(at, fmt.Sprint(i), func() { b.exec("FLUSH BINARY LOGS", fmt.Sprintf("INSERT INTO t VALUES (%d)", 100+i)) }, fmt.Sprint(100+i))
				forms = append(forms, strings.Contains(string(at), `"gtids"`))
			}
			if want := []bool{false, false, true, false, false, false}; !slices.Equal(forms, want) {
				t.Errorf("sets of GTIDs: %v, want %v; the last position: %s", forms, want, at)
			}
		})
	}
}

// follow streams from a position. It wants the first row alone, then does something, and wants the second row alone.
func (b *bench) follow(at changelog.Position, first string, do func(), second string) changelog.Position {
	b.t.Helper()
	done := false
	got, err := collect(b.t, b.config(), at, func(s *seen) bool {
		if len(s.changes) == 1 && !done {
			done = true
			do()
		}
		return len(s.changes) > 1
	})
	if err != nil || len(got.changes) != 2 || !strings.HasSuffix(got.changes[0], "-> "+first) || !strings.HasSuffix(got.changes[1], "-> "+second) {
		b.t.Fatalf("from %s: %v %+v, want the rows %s and %s", at, err, got, first, second)
	}
	return got.positions[len(got.positions)-1]
}

// TestGTIDModeLowered ends a stream by GTIDs at the first transaction without one. Another attempt goes on by file and offset on the
// same server, and nowhere else.
func TestGTIDModeLowered(t *testing.T) {
	t.Parallel()
	for _, v := range gtidVersions {
		t.Run(v, func(t *testing.T) {
			p, r := withReplica(t, servers.MySQLOptions{Version: v})
			p.exec("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (0)", "INSERT INTO t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2)")
			r.catchUp(p)
			step := 0
			got, err := collect(t, p.config(), "", func(s *seen) bool {
				if len(s.changes) >= 3 && step == 0 {
					step++
					p.exec("SET GLOBAL gtid_mode=ON_PERMISSIVE", "INSERT INTO t VALUES (3)", "SET GLOBAL gtid_mode=OFF_PERMISSIVE", "INSERT INTO t VALUES (4)")
				}
				return false
			})
			if f := wantFault(t, err, fault.SourceSettings); f.Final || len(got.changes) != 4 {
				t.Fatalf("%v %q", f, got.changes)
			}
			at := got.positions[len(got.positions)-1]
			if !strings.Contains(string(at), `"gtids"`) {
				t.Fatal(at)
			}
			for i, from := range got.positions {
				again, err := collect(t, p.config(), from, func(s *seen) bool { return has(s, "t/", "4") })
				if err != nil || len(again.changes) != 5-got.after[i] {
					t.Errorf("from %s: %v %+v", from, err, again)
				}
			}
			r.promote()
			r.exec("SET GLOBAL gtid_mode=ON_PERMISSIVE")
			if f := openFault(t, r.config(), at, fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "gtid_mode") {
				t.Error(f)
			}
			// Back at ON, the transaction without GTID in between is in no set: a dump by GTIDs would pass it in silence.
			p.exec("SET GLOBAL gtid_mode=ON_PERMISSIVE", "SET GLOBAL gtid_mode=ON")
			if f := openFault(t, p.config(), at, fault.SourceSettings); !f.Final || !strings.Contains(f.Hint, "ON_PERMISSIVE") {
				t.Error(f)
			}
			p.exec("SET GLOBAL gtid_mode=ON_PERMISSIVE")
			if again, err := collect(t, p.config(), at, func(s *seen) bool { return has(s, "t/", "4") }); err != nil || len(again.changes) != 1 {
				t.Errorf("%v %+v", err, again)
			}
		})
	}
}
