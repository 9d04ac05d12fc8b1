package canal

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"cdcbridge/formats"
	"cdcbridge/formats/internal/jsonx"
)

// Message is a canal-json message as it stands, whoever wrote it: Canal, TiCDC, Flink, Flink CDC or we. Members that the
// writer left out are zero. Raw values borrow from the bytes that were parsed.
type Message struct {
	Type     string // "INSERT", "UPDATE", "DELETE", "ALTER", …
	DDL      bool
	SQL      string // the statement, "" for row changes
	Database string
	Table    string
	ID       int64
	Time     int64           // es: when it happened in the source, milliseconds since the Unix epoch
	Built    int64           // ts: when the message was made, milliseconds since the Unix epoch
	GTID     string          // a GTID of ours, an executed GTID set of Canal's
	Key      []string        // pkNames
	Types    []formats.Field // mysqlType: column names and JSON strings with the source's type
	Data     []Image         // nil for a message that describes no rows
	Old      []Image         // nil, or as long as Data
}

// Image is one row of Data or Old; nil when the writer has none for this row.
type Image []formats.Field

var errNoType = errors.New(`no member "type": this is no canal-json message`)

// Parse reads a message in any order of its members and ignores members that it does not know.
func Parse(value []byte) (*Message, error) {
	if !utf8.Valid(value) {
		return nil, errNotUTF8
	}
	m := new(Message)
	var seen uint32
	err := jsonx.EachField(value, func(name, raw []byte) error {
		if i := memberOf(name); i > 0 {
			if seen&(1<<i) != 0 {
				return fmt.Errorf("member %q is there twice", name)
			}
			seen |= 1 << i
		}
		if jsonx.IsNull(raw) {
			return nil
		}
		if err := m.member(string(name), raw); err != nil {
			return fmt.Errorf("reading member %q: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.Type == "" {
		return nil, errNoType
	}
	return m, nil
}

func (m *Message) member(name string, raw []byte) (err error) {
	switch name {
	case "type":
		m.Type, err = text(raw)
	case "isDdl":
		m.DDL, err = boolean(raw)
	case "sql":
		m.SQL, err = text(raw)
	case "database":
		m.Database, err = text(raw)
	case "table":
		m.Table, err = text(raw)
	case "id":
		m.ID, err = jsonx.Int(raw)
	case "es":
		m.Time, err = millis(raw)
	case "ts":
		m.Built, err = millis(raw)
	case "gtid":
		m.GTID, err = text(raw)
	case "pkNames":
		m.Key, err = texts(raw)
	case "mysqlType":
		m.Types, err = fields(raw)
	case "data":
		m.Data, err = images(raw)
	case "old":
		m.Old, err = images(raw)
	}
	return err
}

func text(raw []byte) (string, error) {
	s, err := jsonx.Unquote(raw)
	return string(s), err
}

func boolean(raw []byte) (bool, error) {
	if s := string(raw); s != "true" && s != "false" {
		return false, fmt.Errorf("%.40q is neither true nor false", raw)
	}
	return raw[0] == 't', nil
}

// millis refuses what does not fit in microseconds.
func millis(raw []byte) (int64, error) {
	n, err := jsonx.Int(raw)
	if err == nil && (n > math.MaxInt64/1000 || n < math.MinInt64/1000) {
		return 0, fmt.Errorf("%d is no time in milliseconds", n)
	}
	return n, err
}

// count refuses what is no number of something.
func count(raw []byte) (uint64, error) {
	n, err := jsonx.Int(raw)
	if err == nil && n < 0 {
		return 0, fmt.Errorf("%d is less than 0", n)
	}
	return uint64(n), err
}

func texts(raw []byte) ([]string, error) {
	list := []string{}
	err := jsonx.EachElement(raw, func(v []byte) error {
		s, err := text(v)
		list = append(list, s)
		return err
	})
	return list, err
}

func images(raw []byte) ([]Image, error) {
	list := []Image{}
	err := jsonx.EachElement(raw, func(v []byte) error {
		if jsonx.IsNull(v) { // TiCDC: "old":[null]
			list = append(list, nil)
			return nil
		}
		im, err := fields(v)
		list = append(list, im)
		return err
	})
	return list, err
}

// fields reads an object, in which no name may occur twice: which one would count? It is never nil without an error.
func fields(raw []byte) ([]formats.Field, error) {
	list := []formats.Field{}
	seen := map[string]bool{}
	err := jsonx.EachField(raw, func(name, v []byte) error {
		if seen[string(name)] {
			return fmt.Errorf("%q is there twice", name)
		}
		seen[string(name)] = true
		list = append(list, formats.Field{Name: string(name), JSON: v})
		return nil
	})
	return list, err
}
