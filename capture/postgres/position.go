package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pglogrepl"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// positionVersion is the newest form of a position that this release reads and the one that it writes.
const positionVersion = 1

// position is a place in a server's log from which the stream goes on. As text it is JSON:
//
//	{"v":1,"system":"7431…","timeline":1,"slot":"cdcbridge_shop","lsn":"0/16B3748",
//	 "txn":{"commit":"0/16B4000","xid":777,"tables":[{"name":"public.orders","rows":5000,"sum":"9e3779b97f4a7c15"}]}}
//
// lsn is the END of the last whole transaction, or what a keepalive said between two transactions; it is what
// START_REPLICATION and confirmed_flush_lsn compare with. Inside of a transaction it stays where the transaction before ended, and
// txn says how many rows of each table of the begun one are done.
type position struct {
	system   string // system identifier of the cluster
	timeline uint32 // that the stream was on
	slot     string
	lsn      pglogrepl.LSN
	txn      *txnProgress
}

// txnProgress is how much of a transaction left in batches already.
type txnProgress struct {
	commit pglogrepl.LSN // of the commit record, where it begins
	xid    uint32
	tables capture.Progress
}

// positionText and the types below are the JSON form.
type positionText struct {
	Version  int      `json:"v"`
	System   string   `json:"system"`
	Timeline uint32   `json:"timeline"`
	Slot     string   `json:"slot"`
	LSN      string   `json:"lsn"`
	Txn      *txnText `json:"txn"`
}

type txnText struct {
	Commit string              `json:"commit"`
	XID    uint32              `json:"xid"`
	Tables []capture.TableText `json:"tables"`
}

// appendText appends the JSON form. It is called once a batch.
func (p *position) appendText(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"v":`...), positionVersion, 10)
	dst = capture.AppendJSONString(append(dst, `,"system":`...), p.system)
	dst = strconv.AppendUint(append(dst, `,"timeline":`...), uint64(p.timeline), 10)
	dst = capture.AppendJSONString(append(dst, `,"slot":`...), p.slot)
	dst = append(appendLSN(append(dst, `,"lsn":"`...), p.lsn), '"')
	if p.txn != nil {
		dst = append(appendLSN(append(dst, `,"txn":{"commit":"`...), p.txn.commit), '"')
		dst = strconv.AppendUint(append(dst, `,"xid":`...), uint64(p.txn.xid), 10)
		dst = append(p.txn.tables.AppendText(append(dst, `,"tables":`...)), '}')
	}
	return append(dst, '}')
}

// appendLSN appends the server's own form, "16/B374D848".
func appendLSN(dst []byte, lsn pglogrepl.LSN) []byte {
	return fmt.Appendf(dst, "%X/%X", uint32(lsn>>32), uint32(lsn))
}

func (p *position) text() changelog.Position { return changelog.Position(p.appendText(nil)) }

// people is the position as people want to see it.
func (p *position) people() string {
	if p.txn == nil {
		return p.lsn.String()
	}
	rows := uint64(0)
	for _, t := range p.txn.tables {
		rows += t.Rows
	}
	return fmt.Sprintf("%s, %d rows of transaction %d", p.lsn, rows, p.txn.xid)
}

// parsePosition reads the JSON form.
func parsePosition(text changelog.Position) (*position, error) {
	var t positionText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return nil, badPosition(err)
	}
	if t.Version > positionVersion {
		return nil, fault.NewFinal(fault.StateNewer, "reading the checkpoint", fmt.Errorf("the position has the form %d, this release knows %d", t.Version, positionVersion),
			"Run the release that wrote it, or a newer one.")
	}
	if t.Version < 1 || t.System == "" || t.Slot == "" || t.LSN == "" {
		return nil, badPosition(errors.New("it lacks v, system, slot or lsn"))
	}
	p := &position{system: t.System, timeline: t.Timeline, slot: t.Slot}
	var err error
	if p.lsn, err = strictLSN(t.LSN); err != nil {
		return nil, badPosition(err)
	}
	if t.Txn == nil {
		return p, nil
	}
	p.txn = &txnProgress{xid: t.Txn.XID}
	if p.txn.commit, err = strictLSN(t.Txn.Commit); err != nil {
		return nil, badPosition(err)
	}
	if p.txn.tables, err = capture.ParseProgress(t.Txn.Tables); err != nil {
		return nil, badPosition(err)
	}
	return p, nil
}

// strictLSN reads the server's own form and nothing that only begins like it.
func strictLSN(text string) (pglogrepl.LSN, error) {
	lsn, err := pglogrepl.ParseLSN(text)
	if err != nil || lsn.String() != text {
		return 0, fmt.Errorf("%q is not an LSN", text)
	}
	return lsn, nil
}

func badPosition(err error) error {
	return fault.NewFinal(fault.WrongServer, "reading the checkpoint", fmt.Errorf("the position is not one of a PostgreSQL source: %w", err),
		"The state belongs to a pipeline with another kind of source. Give this pipeline a name of its own.")
}
