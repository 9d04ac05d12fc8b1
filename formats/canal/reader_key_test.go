package canal

import (
	"fmt"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestOrderOfKeys is that of the record's key where that has the columns of pkNames, which are in the order of the table.
func TestOrderOfKeys(t *testing.T) {
	const value = `{"data":[{"a":"1","b":"2","c":"3"}],"database":"d","mysqlType":{"a":"int","b":"int","c":"int"},"pkNames":["a","c"],"table":"t","type":"INSERT"}`
	for key, want := range map[string]string{
		"":                          "[0 2]",
		`{"c":"3","a":"1"}`:         "[2 0]",
		`{"a":"1","c":"3"}`:         "[0 2]",
		`{"c":"3"}`:                 "[0 2]",
		`{"c":"3","b":"2"}`:         "[0 2]",
		`{"c":"3","c":"3"}`:         "[0 2]",
		`{"c":"3","a":"1","b":"2"}`: "[0 2]",
		`no object`:                 "[0 2]",
	} {
		rec := &formats.Record{Topic: "t", Value: []byte(value)}
		if key != "" {
			rec.Key = []byte(key)
		}
		var b changelog.Batch
		if err := readerOf(defaults()).Read(&b, rec); err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		if got := fmt.Sprint(b.Runs[0].Table.Key); got != want {
			t.Errorf("%s: key %s, want %s", key, got, want)
		}
	}
}
