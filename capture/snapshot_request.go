package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cdcbridge/changelog"
)

// Requester is a Source that takes requests while it streams. Each is an entry of the pipeline's state that somebody has
// written there (changelog.State) and that the source removes when it has taken the request up, in the transaction that says so.
type Requester interface {
	// Request hands one over. It never blocks. One that was handed over before is no other one.
	Request(entry changelog.State)
}

// RequestPrefix begins the keys of state entries that are requests; what follows is different for each.
const RequestPrefix = "request/"

// SnapshotAction is what a request asks for.
type SnapshotAction string

// Actions. Tables that they do not concern are left as they are.
const (
	SnapshotStart  SnapshotAction = "start"  // read the tables, or read them again from the beginning
	SnapshotPause  SnapshotAction = "pause"  // stop reading and remember where
	SnapshotResume SnapshotAction = "resume" // go on from there
	SnapshotCancel SnapshotAction = "cancel" // stop reading for good; what has been written stays
)

// SnapshotRequest is a request about snapshots. As the value of a state entry it is JSON.
type SnapshotRequest struct {
	Version    int                 `json:"v"`
	Action     SnapshotAction      `json:"action"`
	Tables     []string            `json:"tables,omitempty"`     // patterns "schema.table" with * and ?; none: all that are being read (not for start)
	Regexps    []string            `json:"regexps,omitempty"`    // the same as regular expressions that match the whole name, as Debezium has them
	Where      string              `json:"where,omitempty"`      // start: condition in the server's SQL
	Conditions []SnapshotCondition `json:"conditions,omitempty"` // start: conditions of single tables, the first that matches counts
	Time       time.Time           `json:"time"`                 // when it was made
	By         string              `json:"by,omitempty"`         // who made it, for people
}

// SnapshotCondition is a condition for the tables whose whole names an expression matches.
type SnapshotCondition struct {
	Regexp string `json:"regexp"`
	Where  string `json:"where"` // in the server's SQL
}

const requestVersion = 1

// Encode gives the JSON form. It sets the version.
func (r SnapshotRequest) Encode() ([]byte, error) {
	r.Version = requestVersion
	if err := r.validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("writing a request: %w", err)
	}
	return text, nil
}

// ParseSnapshotRequest reads the JSON form.
func ParseSnapshotRequest(text []byte) (SnapshotRequest, error) {
	var r SnapshotRequest
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading a request: %w", err)
	}
	if r.Version != requestVersion {
		return r, fmt.Errorf("the request has the version %d, this release knows %d", r.Version, requestVersion)
	}
	return r, r.validate()
}

func (r SnapshotRequest) validate() error {
	switch r.Action {
	case SnapshotStart:
		if len(r.Tables) == 0 && len(r.Regexps) == 0 {
			return errors.New("the request names no table")
		}
	case SnapshotPause, SnapshotResume, SnapshotCancel:
		if r.Where != "" || len(r.Conditions) > 0 {
			return fmt.Errorf("a condition does not go together with %s", r.Action)
		}
	default:
		return fmt.Errorf("a request cannot ask for %q", r.Action)
	}
	if _, err := r.where(""); err != nil {
		return err
	}
	_, err := r.matcher()
	return err
}

// where is the condition for a table.
func (r SnapshotRequest) where(name string) (string, error) {
	where := r.Where
	for _, c := range slices.Backward(r.Conditions) {
		e, err := wholeName(c.Regexp)
		if err != nil {
			return "", err
		}
		if e.MatchString(name) {
			where = c.Where
		}
	}
	return where, nil
}

// wholeName compiles an expression that matches whole names.
func wholeName(text string) (*regexp.Regexp, error) {
	e, err := regexp.Compile("^(?:" + text + ")$")
	if err != nil {
		return nil, fmt.Errorf("reading the expression for tables: %w", err)
	}
	return e, nil
}

// matcher gives the test whether a table is meant.
func (r SnapshotRequest) matcher() (func(schema, table string) bool, error) {
	filter, err := NewFilter(r.Tables, nil)
	if err != nil {
		return nil, err
	}
	var exprs []*regexp.Regexp
	for _, text := range r.Regexps {
		e, err := wholeName(text)
		if err != nil {
			return nil, err
		}
		exprs = append(exprs, e)
	}
	all := len(r.Tables) == 0 && len(r.Regexps) == 0
	return func(schema, table string) bool {
		name := schema + "." + table
		return all || filter.Match(schema, table) || slices.ContainsFunc(exprs, func(e *regexp.Regexp) bool { return e.MatchString(name) })
	}, nil
}

// String is the request in a few words.
func (r SnapshotRequest) String() string {
	s := string(r.Action)
	if names := slices.Concat(r.Tables, r.Regexps); len(names) > 0 {
		s += " " + strings.Join(names, ", ")
	}
	if r.Where != "" {
		s += " where " + r.Where
	}
	for _, c := range r.Conditions {
		s += "; " + c.Regexp + " where " + c.Where
	}
	return s
}
