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

// productMariaDB marks a position of MariaDB.
const productMariaDB = "mariadb"

// position is a place in a server's log from which the stream goes on. As text it is JSON:
//
//	{"v":1,"server":"<uuid>","file":"binlog.000002","pos":1234,"gtids":"<uuid>:1-77","seen":"<uuid>:79-80",
//	 "txn":{"id":"<uuid>:78","tables":[{"name":"shop.orders","rows":5000,"sum":"9e3779b97f4a7c15"}]}}
//
// A position of MariaDB says so, and its GTIDs are the last one of each domain in log order:
//
//	{"v":1,"product":"mariadb","server":"…","file":"binlog.000002","pos":1234,"gtids":"0-1-77,1-2-3"}
//
// With GTIDs they alone decide and file and pos are for people; without them file:pos decides, bound to the server.
// Inside of a transaction, file:pos is where it begins, the GTIDs lack it, and txn says how many rows of each table are done.
// Where a transaction that is prepared and not yet committed cannot be left out of what is done (file:pos and MariaDB), resume
// is the place before it from which reading goes on: {"file":"binlog.000002","pos":4,"gtids":"0-1-70"}. "shapes":true says that the
// shapes of tables in the checkpoint are as of the position; a release that does not know them moves positions without it.
type position struct {
	server string // serverFacts.identity of the server that the position was read from
	file   string
	pos    uint64
	gtids  gtidState    // nil: positions of this pipeline are file:pos
	seen   gtidState    // transactions behind it whose values can be in the target, read to complete rows (complete.go); nil: none
	resume *resumePoint // where reading must begin, when it is before this position
	txn    *txnProgress
	shapes bool
	done   *gtidSet // beside file:pos and not written: transactions behind it that are done
}

// logPlace is an offset in a log file.
type logPlace struct {
	file string
	pos  uint64
}

// resumePoint is where reading begins for a position that lies behind it.
type resumePoint struct {
	logPlace
	gtids *domainState // MariaDB; nil: file:pos
}

// txnProgress is how much of a transaction left in batches already.
type txnProgress struct {
	id     string
	tables capture.Progress
}

// positionText and the types below are the JSON form.
type positionText struct {
	Version int        `json:"v"`
	Product string     `json:"product"` // "" is MySQL
	Server  string     `json:"server"`
	File    string     `json:"file"`
	Pos     uint64     `json:"pos"`
	GTIDs   *string    `json:"gtids"`
	Seen    *string    `json:"seen"`
	Resume  *placeText `json:"resume"`
	Txn     *txnText   `json:"txn"`
	Shapes  bool       `json:"shapes"`
}

type placeText struct {
	File  string  `json:"file"`
	Pos   uint64  `json:"pos"`
	GTIDs *string `json:"gtids"`
}

type txnText struct {
	ID     string              `json:"id"`
	Tables []capture.TableText `json:"tables"`
}

// appendText appends the JSON form. It is called once a batch.
func (p *position) appendText(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"v":`...), positionVersion, 10)
	if _, ok := p.gtids.(*domainState); ok {
		dst = append(append(append(dst, `,"product":"`...), productMariaDB...), '"')
	}
	dst = capture.AppendJSONString(append(dst, `,"server":`...), p.server)
	dst = logPlace{p.file, p.pos}.appendFields(append(dst, ','))
	if p.gtids != nil {
		dst = append(p.gtids.appendText(append(dst, `,"gtids":"`...)), '"')
	}
	if p.seen != nil {
		dst = append(p.seen.appendText(append(dst, `,"seen":"`...)), '"')
	}
	if p.resume != nil {
		dst = p.resume.appendFields(append(dst, `,"resume":{`...))
		if p.resume.gtids != nil {
			dst = append(p.resume.gtids.appendText(append(dst, `,"gtids":"`...)), '"')
		}
		dst = append(dst, '}')
	}
	if p.txn != nil {
		dst = capture.AppendJSONString(append(dst, `,"txn":{"id":`...), p.txn.id)
		dst = append(p.txn.tables.AppendText(append(dst, `,"tables":`...)), '}')
	}
	if p.shapes {
		dst = append(dst, `,"shapes":true`...)
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
	p := &position{server: t.Server, file: t.File, pos: t.Pos, shapes: t.Shapes}
	if err := p.parseGTIDs(&t); err != nil {
		return nil, badPosition(err)
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

// parseGTIDs reads what a position says of GTIDs.
func (p *position) parseGTIDs(t *positionText) error {
	if t.Product != "" && t.Product != productMariaDB {
		return fmt.Errorf("the product %q is unknown", t.Product)
	}
	if t.GTIDs != nil {
		state, err := parseGTIDState(t.Product == productMariaDB, *t.GTIDs)
		if err != nil {
			return err
		}
		p.gtids = state
	}
	if t.Seen != nil {
		state, err := parseGTIDState(t.Product == productMariaDB, *t.Seen)
		if err != nil {
			return err
		}
		p.seen = state
	}
	if t.Resume == nil {
		return nil
	}
	p.resume = &resumePoint{logPlace: logPlace{t.Resume.File, t.Resume.Pos}}
	if t.Resume.GTIDs == nil {
		return nil
	}
	var err error
	p.resume.gtids, err = parseDomainState(*t.Resume.GTIDs)
	return err
}

func badPosition(err error) error {
	return fault.NewFinal(fault.WrongServer, "reading the checkpoint", fmt.Errorf("the position is not one of a MySQL source: %w", err),
		"The state belongs to a pipeline with another kind of source. Give this pipeline a name of its own.")
}
