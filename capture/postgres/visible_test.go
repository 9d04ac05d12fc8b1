package postgres

import "testing"

func TestSnapshotSees(t *testing.T) {
	for _, c := range []struct {
		text string
		xid  uint32
		want bool
	}{
		{"737:739:737", 736, true},
		{"737:739:737", 737, false}, // committed in the log, held back by a standby
		{"737:739:737", 738, true},
		{"737:739:737", 739, false},
		{"100:100:", 99, true},
		{"100:100:", 100, false},
		{"4294967306:4294967310:4294967307", 9, true}, // the second epoch: 4294967305
		{"4294967306:4294967310:4294967307", 11, false},
		{"4294967306:4294967310:4294967307", 14, false},
		{"4294967306:4294967310:4294967307", 4294967290, true}, // of the epoch before
		{"4294967290:4294967294:", 3, false},                   // of the epoch after
	} {
		s, err := parseSnapshot(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.sees(c.xid); got != c.want {
			t.Errorf("%s sees %d: %v, want %v", c.text, c.xid, got, c.want)
		}
	}
	for _, bad := range []string{"", "1:2", "2:1:", "a:2:", "1:b:", "1:2:c", "1:2:1,"} {
		if _, err := parseSnapshot(bad); err == nil {
			t.Errorf("%q is taken for a snapshot", bad)
		}
	}
}
