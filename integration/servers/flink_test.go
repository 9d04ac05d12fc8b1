package servers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFlink runs scripts that end by themselves, by a limit, by their time, and by an error.
func TestFlink(t *testing.T) {
	t.Parallel()
	f := FlinkFor(t)
	const endless = "CREATE TABLE ticks (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000');\n"
	for name, tc := range map[string]struct {
		script  FlinkScript
		rows    []string
		timeout bool
		err     string
	}{
		"values of every kind": {script: FlinkScript{SQL: `SET 'table.local-time-zone' = 'Asia/Tokyo'; -- it's a comment;
			SELECT 'a;''b', CAST(1.50 AS DECIMAL(10, 3)), X'00ff', CAST(NULL AS INT), ARRAY['x', CAST(NULL AS STRING)], MAP['k', 1], ROW(TRUE, 1.5E0), DATE '2024-05-06', TIME '07:08:00',
			  TIMESTAMP '2024-05-06 07:08:00.12', CAST(TIMESTAMP '2024-05-06 07:08:09.000001' AS TIMESTAMP_LTZ(6))`},
			rows: []string{`+I "a;'b" "1.500" "00ff" null ["x",null] {"k":"1"} ["true","1.5"] "2024-05-06" "07:08:00" "2024-05-06T07:08:00.12" "2024-05-05T22:08:09.000001Z"`}},
		"a changelog":         {script: FlinkScript{SQL: "SELECT COUNT(*) FROM (VALUES (1), (2)) AS v (x);"}, rows: []string{`+I "1"`, `-U "1"`, `+U "2"`}},
		"a limit":             {script: FlinkScript{SQL: endless + "SELECT n FROM ticks", Limit: 2}, rows: []string{`+I "1"`, `+I "2"`}},
		"a time":              {script: FlinkScript{SQL: endless + "SELECT n FROM ticks WHERE n < 3", Timeout: 3 * time.Second}, rows: []string{`+I "1"`, `+I "2"`}, timeout: true},
		"rows, then an error": {script: FlinkScript{SQL: "SELECT 1; SELECT nope"}, rows: []string{`+I "1"`}, err: "Column 'nope' not found"},
	} {
		got, err := f.Run(t.Context(), tc.script)
		var refused FlinkError
		if tc.err != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tc.err)) || tc.err == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var rows []string
		for _, r := range got.Rows {
			line := r.Kind
			for _, v := range r.Values {
				line += " " + string(v)
			}
			rows = append(rows, line)
		}
		if !slices.Equal(rows, tc.rows) || got.Timeout != tc.timeout {
			t.Errorf("%s: got %q, timeout %v", name, rows, got.Timeout)
		}
	}
}
