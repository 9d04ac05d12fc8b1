package cli

import (
	"errors"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// readingSource reads the cluster that the pipeline writes to, or another one.
type readingSource struct {
	fakeSource
	target bool
}

func (r *readingSource) ReadsTarget() bool { return r.target }

// TestValidateSaysOnceThatAClusterIsDown meets the same cluster as source and as target.
func TestValidateSaysOnceThatAClusterIsDown(t *testing.T) {
	down := fault.New(fault.Unreachable, "calling Kafka", errors.New("connection refused"), "Start it.")
	for target, want := range map[bool]int{true: 1, false: 2} {
		reg := registry(nil, nil)
		reg.Sources = []capture.Kind{{Name: "fake", Config: func() capture.Config { return &readingSource{fakeSource: fakeSource{err: down}, target: target} }}}
		code, out, _ := call(reg, "validate", "-c", configFile(t, ""), "-o", "json")
		var v validation
		mustJSON(t, out, &v)
		if code != exitConfig || v.Problems != want {
			t.Errorf("target %v: exit code %d and %d problems, want %d: %+v", target, code, v.Problems, want, v.Findings)
		}
		for _, f := range v.Findings {
			if f.Severity == capture.Problem && f.Code != string(fault.Unreachable) {
				t.Errorf("%+v", f)
			}
		}
	}
}
