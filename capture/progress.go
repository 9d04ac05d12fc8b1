package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/changelog"
)

// Progress says what of a transaction left in parts already, table by table. A source keeps it in its position.
type Progress []TableProgress

// TableProgress counts the rows of one table that are done, before any filter, and holds a digest of their bytes in the log,
// so that a replay that brings other rows is found.
type TableProgress struct {
	Name   string // as the source writes it, for example "shop.orders"
	Rows   uint64
	Sum    uint64 // xxhash64 of what the source hashes of each row, one after the other
	Others uint64 // of Rows: what is counted with them and is no change of a row, such as a truncation
}

// TableText is a TableProgress as it stands in a position's JSON: the digest is 16 hexadecimal digits.
type TableText struct {
	Name   string `json:"name"`
	Rows   uint64 `json:"rows"`
	Sum    string `json:"sum"`
	Others uint64 `json:"others"` // left out when it is 0; a release that does not know it writes none
}

// ParseProgress reads the JSON form.
func ParseProgress(tables []TableText) (Progress, error) {
	var p Progress
	for _, t := range tables {
		sum, err := strconv.ParseUint(t.Sum, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("the digest of %s: %w", t.Name, err)
		}
		p = append(p, TableProgress{Name: t.Name, Rows: t.Rows, Sum: sum, Others: min(t.Others, t.Rows)})
	}
	return p, nil
}

// AppendText appends the JSON form, an array of TableText.
func (p Progress) AppendText(dst []byte) []byte {
	dst = append(dst, '[')
	for i, t := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(append(dst, `{"name":`...), t.Name)
		dst = strconv.AppendUint(append(dst, `,"rows":`...), t.Rows, 10)
		dst = fmt.Appendf(dst, `,"sum":"%016x"`, t.Sum)
		if t.Others > 0 {
			dst = strconv.AppendUint(append(dst, `,"others":`...), t.Others, 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// Find gives the progress of a table, nil when none of its rows are done.
func (p Progress) Find(name string) *TableProgress {
	i := slices.IndexFunc(p, func(t TableProgress) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &p[i]
}

// Counts gives the changes that are done of each table that has some, in the order of the tables' names; never nil.
func (p Progress) Counts() []changelog.Count {
	out := make([]changelog.Count, 0, len(p))
	for _, t := range p {
		if t.Rows > t.Others {
			out = append(out, changelog.Count{Table: t.Name, Changes: t.Rows - t.Others})
		}
	}
	slices.SortFunc(out, func(a, b changelog.Count) int { return strings.Compare(a.Table, b.Table) })
	return out
}

// AppendJSONString appends a name of a position (of a file, a table, a transaction) as a JSON string.
func AppendJSONString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s) // a string cannot fail
			return append(dst, q...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// MidTransaction reports a position inside of a transaction. Positions of all sources are JSON objects with a member "txn" there.
func MidTransaction(p changelog.Position) bool {
	var t struct {
		Txn json.RawMessage `json:"txn"`
	}
	return json.Unmarshal([]byte(p), &t) == nil && len(t.Txn) > 0
}
