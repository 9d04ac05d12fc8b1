package postgres

import (
	"reflect"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

func TestPositionText(t *testing.T) {
	for want, p := range map[changelog.Position]position{
		`{"v":1,"system":"7431","timeline":1,"slot":"cdcbridge_shop","lsn":"0/16B3748"}`: {system: "7431", timeline: 1, slot: "cdcbridge_shop", lsn: 0x16B3748},
		`{"v":1,"system":"7431","timeline":2,"slot":"s","lsn":"1A/0","txn":{"commit":"1A/28","xid":4294967295,"tables":[{"name":"public.orders","rows":5000,"sum":"0e3779b97f4a7c15"},{"name":"a.\"é\"","rows":1,"sum":"0000000000000000"}]}}`: {
			system: "7431", timeline: 2, slot: "s", lsn: 0x1A << 32, txn: &txnProgress{commit: 0x1A<<32 | 0x28, xid: 1<<32 - 1, tables: capture.Progress{{Name: "public.orders", Rows: 5000, Sum: 0x0e3779b97f4a7c15}, {Name: `a."é"`, Rows: 1, Sum: 0}}},
		},
	} {
		if got := p.text(); got != want {
			t.Errorf("text\n%s, want\n%s", got, want)
		}
		got, err := parsePosition(want)
		if err != nil || !reflect.DeepEqual(*got, p) {
			t.Errorf("%s: %+v, %v", want, got, err)
		}
	}
	p := position{lsn: 0x16B3748, txn: &txnProgress{xid: 7, tables: capture.Progress{{Name: "a", Rows: 2, Sum: 0}, {Name: "b", Rows: 3, Sum: 0}}}}
	if got := p.people(); got != "0/16B3748, 5 rows of transaction 7" {
		t.Error(got)
	}
}

func TestPositionRefuses(t *testing.T) {
	for text, want := range map[changelog.Position]fault.Code{
		``:        fault.WrongServer,
		`{"v":1}`: fault.WrongServer,
		`{"v":2,"system":"1","slot":"s","lsn":"0/1"}`:                                                       fault.StateNewer,
		`{"v":1,"system":"1","slot":"s","lsn":"0/1x"}`:                                                      fault.WrongServer,
		`{"v":1,"system":"1","slot":"s","lsn":"01/1"}`:                                                      fault.WrongServer,
		`{"v":1,"system":"1","slot":"s","lsn":"0/1","txn":{"commit":"","xid":1}}`:                           fault.WrongServer,
		`{"v":1,"system":"1","slot":"s","lsn":"0/1","txn":{"commit":"0/2","xid":1,"tables":[{"sum":"x"}]}}`: fault.WrongServer,
		`{"v":1,"server":"8a94f357-aab4-11df-86ab-c80aa9429562","file":"binlog.000001","pos":4}`:            fault.WrongServer,
	} {
		_, err := parsePosition(text)
		if f := fault.As(err); f == nil || f.Code != want || !f.Final || f.Hint == "" {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(`{"v":1,"system":"7431","timeline":2,"slot":"s","lsn":"1A/0","txn":{"commit":"1A/28","xid":42,"tables":[{"name":"public.orders","rows":5000,"sum":"0e3779b97f4a7c15"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(changelog.Position(text))
		if err != nil {
			return
		}
		again, err := parsePosition(p.text())
		if err != nil || again.text() != p.text() {
			t.Errorf("%q became %s, then %v, %v", text, p.text(), again, err)
		}
	})
}
