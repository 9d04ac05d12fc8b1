package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
)

// checkRecords looks at every record of a table, not only at the last of each key: it has the columns that its row says, in
// order, and in each column values of that column.
func (s *storm) checkRecords(t *testing.T, brokers []string, pipeline string, tb table) {
	t.Helper()
	for _, o := range outputs {
		topic := fmt.Sprintf("%s.%s.%s", pipeline, o.name, s.topic(tb))
		records, err := harness.ReadTopic(t.Context(), brokers, topic)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			if r := &records[i]; r.Value != nil && r.Headers["cdc.op"] != "d" { // a row that goes is as it was written some time ago
				if err := checkStormRow(o.format, r.Value); err != nil {
					t.Fatalf("%s/%d/%d, %v: %v\n%s", topic, r.Partition, r.Offset, r.Headers, err, r.Value)
				}
			}
		}
	}
}

// field is a member of a JSON object.
type field struct {
	name  string
	value json.RawMessage
}

func fieldsOf(object json.RawMessage) (out []field, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		var f field
		name, err := d.Token()
		if err == nil {
			f.name = name.(string)
			err = d.Decode(&f.value)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func checkStormRow(format string, value []byte) error {
	var m struct {
		After json.RawMessage   `json:"after"`
		Data  []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return err
	}
	if format == "canal-json" {
		m.After = m.Data[0]
	}
	fields, err := fieldsOf(m.After)
	if err != nil {
		return err
	}
	var names []string
	said := ""
	for _, f := range fields {
		names = append(names, f.name)
		if f.name == "shape" {
			if err := json.Unmarshal(f.value, &said); err != nil {
				return err
			}
		}
	}
	if got := strings.Join(names, "|"); got != said {
		return fmt.Errorf("the columns are %s, the row was written to %s", got, said)
	}
	for _, f := range fields {
		if err := f.check(format); err != nil {
			return fmt.Errorf("column %s: %s: %w", f.name, f.value, err)
		}
	}
	return nil
}

// check fails for a value of another column. An empty text and zero are what NOT NULL gives.
func (f *field) check(format string) error {
	kind, number := tagOf(f.name)
	if kind == "" || string(f.value) == "null" {
		return nil
	}
	s := strings.Trim(string(f.value), `"`)
	if f.value[0] == '"' {
		if err := json.Unmarshal(f.value, &s); err != nil {
			return err
		}
	}
	want := kind + strconv.Itoa(number) + ":"
	canal := format == "canal-json"
	switch {
	case kind == "j":
		want = fmt.Sprintf(`"j%d"`, number)
		if s != "" && s != "null" && !strings.Contains(s, want) {
			return fmt.Errorf("lacks %s", want)
		}
		return nil
	case kind == "b" && !canal:
		raw, err := base64JSON(f.value)
		if err != nil {
			return err
		}
		s = string(raw)
	case kind == "e" && canal, kind == "t" && !canal:
		return nil
	case (kind == "i" || kind == "g") && (canal || f.value[0] != '"'):
		n, err := strconv.Atoi(s)
		if err == nil && n != 0 && n%100 != number%100 {
			err = fmt.Errorf("is not of the column %d", number)
		}
		return err
	case kind == "i" || kind == "g":
		return nil
	case kind == "t":
		if len(s) < 19 || !strings.HasPrefix(s, "0000-00-00") && s[17:19] != fmt.Sprintf("%02d", number%60) {
			return fmt.Errorf("is not of the column %d", number)
		}
		return nil
	}
	if s != "" && !strings.HasPrefix(s, want) {
		return fmt.Errorf("does not begin with %s", want)
	}
	return nil
}
