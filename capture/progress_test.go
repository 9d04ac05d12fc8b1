package capture

import (
	"encoding/json"
	"slices"
	"testing"

	"cdcbridge/changelog"
)

// TestProgressText reads what it writes, and what a release wrote that did not know of others.
func TestProgressText(t *testing.T) {
	p := Progress{{Name: "s.b", Rows: 7, Sum: 1, Others: 2}, {Name: "", Rows: 3, Sum: 2, Others: 3}, {Name: "s.\"a", Rows: 5, Sum: 1 << 63}}
	const want = `[{"name":"s.b","rows":7,"sum":"0000000000000001","others":2},{"name":"","rows":3,"sum":"0000000000000002","others":3},{"name":"s.\"a","rows":5,"sum":"8000000000000000"}]`
	if got := string(p.AppendText(nil)); got != want {
		t.Fatal(got)
	}
	var texts []TableText
	if err := json.Unmarshal([]byte(want), &texts); err != nil {
		t.Fatal(err)
	}
	if got, err := ParseProgress(texts); err != nil || !slices.Equal(got, p) {
		t.Fatal(got, err)
	}
	if got := p.Counts(); !slices.Equal(got, []changelog.Count{{Table: `s."a`, Changes: 5}, {Table: "s.b", Changes: 5}}) {
		t.Error(got)
	}
	if got := (Progress{}).Counts(); got == nil || len(got) != 0 {
		t.Error(got)
	}
	if got, err := ParseProgress([]TableText{{Name: "a", Rows: 1, Sum: "0", Others: 9}}); err != nil || got[0].Others != 1 {
		t.Error(got, err)
	}
}
