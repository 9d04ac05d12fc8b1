package plain

import (
	"fmt"
	"testing"

	"cdcbridge/internal/fault"
)

func decoded(t *testing.T, c *Config, key, value []byte) string {
	t.Helper()
	ev, err := c.Decoder().Decode(key, value)
	if err != nil {
		if f := fault.As(err); f == nil || f.Code != fault.Decode || f.Hint == "" {
			t.Errorf("%s %s: %v", key, value, err)
		}
		return "error: " + fault.As(err).Err.Error()
	}
	text := ""
	for _, f := range ev.Key {
		text += fmt.Sprintf("%s=%s ", f.Name, f.JSON)
	}
	if ev.Tombstone {
		return text + "tombstone"
	}
	text += fmt.Sprintf("%s %s.%s.%s at %d", ev.Op, ev.Database, ev.Schema, ev.Table, ev.Time)
	for _, f := range ev.Before {
		text += fmt.Sprintf(" -%s=%s", f.Name, f.JSON)
	}
	for _, f := range ev.After {
		text += fmt.Sprintf(" +%s=%s", f.Name, f.JSON)
	}
	return text
}

func TestDecoder(t *testing.T) {
	fields, raw := NewConfig(), NewConfig()
	fields.AddFields, raw.KeyFormat = fieldNames, keyRaw
	for _, c := range []struct {
		cfg        *Config
		key, value string
		want       string
	}{
		{NewConfig(), `{"id":1}`, `{"id":1,"a":null}`, "id=1 upsert .. at 0 +id=1 +a=null"},
		{NewConfig(), "", `{"id":1,"__op":"d"}`, `upsert .. at 0 +id=1 +__op="d"`},
		{NewConfig(), `{"id":1}`, "", "id=1 tombstone"},
		{NewConfig(), "", "", "error: it has neither key nor value"},
		{NewConfig(), `{"id":1}`, `{"a":1}`, `error: the row lacks the key column "id"`},
		{NewConfig(), "", `{"id":1,"id":2}`, `error: the field "id" is there twice`},
		{raw, "7", `{"id":7}`, "upsert .. at 0 +id=7"},
		{raw, "7", "", "tombstone"},
		{fields, "", `{"id":1,"__op":"c","__db":"d","__schema":null,"__table":"t","__source_ts_ms":5,"__deleted":"false","__ts_ms":9}`, "insert d..t at 5000 +id=1"},
		{fields, "", `{"id":1,"__op":"r","__schema":"s","__time":"1970-01-01T00:00:01.000Z"}`, "read .s. at 1000000 +id=1"},
		{fields, "", `{"id":1,"__source_ts_us":7,"__deleted":true}`, "delete .. at 7 -id=1"},
		{fields, "", `{"id":1,"__deleted":"true","__op":"d"}`, "delete .. at 0 -id=1"},
		{fields, "", `{"id":1,"__op":"t"}`, `error: field __op: "t" is no operation`},
		{fields, "", `{"id":1,"__time":"now"}`, "error: field __time: it is no time"},
		{fields, "", `{"id":1,"__table":7}`, "error: field __table: JSON has '7' at byte 0 where a string is expected"},
	} {
		var key, value []byte
		if c.key != "" {
			key = []byte(c.key)
		}
		if c.value != "" {
			value = []byte(c.value)
		}
		if got := decoded(t, c.cfg, key, value); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.key, c.value, got, c.want)
		}
	}
}
