package mysql

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// positionVersion is the newest form of a position that this release reads and the one that it writes.
const positionVersion = 1

// position is a place in a server's log from which the stream goes on. As text it is JSON:
//
//	{"v":1,"server":"<uuid>","file":"binlog.000002","pos":1234,"gtids":"<uuid>:1-77",
//	 "txn":{"id":"<uuid>:78","tables":[{"name":"shop.orders","rows":5000,"sum":"9e3779b97f4a7c15"}]}}
//
// With GTIDs the set alone decides and file and pos are for people; without them file:pos decides, bound to the server.
// Inside of a transaction, file:pos is where it begins, the set lacks it, and txn says how many rows of each table are done.
type position struct {
	server string // server_uuid of the server that the position was read from
	file   string
	pos    uint64
	gtids  *gtidSet  // nil: positions of this pipeline are file:pos
	resume *logPlace // file:pos only: where reading must begin, when a prepared XA transaction begins before file:pos
	txn    *txnProgress
}

// logPlace is an offset in a log file.
type logPlace struct {
	file string
	pos  uint64
}

// txnProgress is how much of a transaction left in batches already.
type txnProgress struct {
	id     string
	tables capture.Progress
}

// positionText and the types below are the JSON form.
type positionText struct {
	Version int        `json:"v"`
	Server  string     `json:"server"`
	File    string     `json:"file"`
	Pos     uint64     `json:"pos"`
	GTIDs   *string    `json:"gtids"`
	Resume  *placeText `json:"resume"`
	Txn     *txnText   `json:"txn"`
}

type placeText struct {
	File string `json:"file"`
	Pos  uint64 `json:"pos"`
}

type txnText struct {
	ID     string              `json:"id"`
	Tables []capture.TableText `json:"tables"`
}

// appendText appends the JSON form. It is called once a batch.
func (p *position) appendText(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"v":`...), positionVersion, 10)
	dst = capture.AppendJSONString(append(dst, `,"server":`...), p.server)
	dst = logPlace{p.file, p.pos}.appendFields(append(dst, ','))
	if p.gtids != nil {
		dst = append(p.gtids.appendText(append(dst, `,"gtids":"`...)), '"')
	}
	if p.resume != nil {
		dst = append(p.resume.appendFields(append(dst, `,"resume":{`...)), '}')
	}
	if p.txn != nil {
		dst = capture.AppendJSONString(append(dst, `,"txn":{"id":`...), p.txn.id)
		dst = append(p.txn.tables.AppendText(append(dst, `,"tables":`...)), '}')
	}
	return append(dst, '}')
}

func (l logPlace) appendFields(dst []byte) []byte {
	dst = capture.AppendJSONString(append(dst, `"file":`...), l.file)
	return strconv.AppendUint(append(dst, `,"pos":`...), l.pos, 10)
}

func (p *position) text() changelog.Position { return changelog.Position(p.appendText(nil)) }

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
	if t.Version < 1 || t.Server == "" || t.GTIDs == nil && t.File == "" {
		return nil, badPosition(errors.New("it lacks v, server or file"))
	}
	p := &position{server: t.Server, file: t.File, pos: t.Pos}
	if t.GTIDs != nil {
		set, err := parseGTIDSet(*t.GTIDs)
		if err != nil {
			return nil, badPosition(err)
		}
		p.gtids = &set
	}
	if t.Resume != nil {
		p.resume = &logPlace{t.Resume.File, t.Resume.Pos}
	}
	if t.Txn != nil {
		p.txn = &txnProgress{id: t.Txn.ID}
		var err error
		if p.txn.tables, err = capture.ParseProgress(t.Txn.Tables); err != nil {
			return nil, badPosition(err)
		}
	}
	return p, nil
}

func badPosition(err error) error {
	return fault.NewFinal(fault.WrongServer, "reading the checkpoint", fmt.Errorf("the position is not one of a MySQL source: %w", err),
		"The state belongs to a pipeline with another kind of source. Give this pipeline a name of its own.")
}
