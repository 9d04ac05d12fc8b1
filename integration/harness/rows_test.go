package harness

import "testing"

func TestRowOfAMessage(t *testing.T) {
	for name, c := range map[string]struct{ format, value, want string }{
		"debezium":               {"debezium-json", `{"before":{"id":1},"after":{"id":2},"op":"u"}`, `{"id":2}`},
		"a delete of debezium":   {"debezium-json", `{"before":{"id":1},"after":null,"op":"d"}`, ""},
		"debezium without after": {"debezium-json", `{"op":"t"}`, ""},
		"canal":                  {"canal-json", `{"data":[{"id":"2"}],"old":[{"id":"1"}],"type":"UPDATE"}`, `{"id":"2"}`},
		"a delete of canal":      {"canal-json", `{"data":[{"id":"2"}],"type":"DELETE"}`, ""},
		"two rows of canal":      {"canal-json", `{"data":[{"id":"2"},{"id":"3"}],"type":"INSERT"}`, ""},
		"a statement of canal":   {"canal-json", `{"data":null,"isDdl":true,"type":"QUERY"}`, ""},
		"plain":                  {"plain-json", `{"id":2}`, `{"id":2}`},
		"a tombstone":            {"plain-json", "", ""},
		"no JSON":                {"canal-json", `{"data":[`, ""},
	} {
		row, err := RowOf(c.format, []byte(c.value))
		if string(row) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", name, row, err, c.want)
		}
	}
}
