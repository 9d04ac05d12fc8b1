package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/config"
)

// registry wires a source that finds what it is told and a format that reads {"op":…}.
func registry(found []capture.Finding, err error) config.Registry {
	return config.Registry{
		Sources: []capture.Kind{{Name: "fake", Config: func() capture.Config { return &fakeSource{found: found, err: err} }}},
		Formats: []formats.Kind{{Name: "lines", Config: func() formats.Config { return &fakeFormat{} }}},
	}
}

type fakeSource struct {
	Password string `mapstructure:"password"`
	found    []capture.Finding
	err      error
}

func (*fakeSource) Validate() []error                { return nil }
func (f *fakeSource) New(capture.Env) capture.Source { return fakeStream{} }
func (f *fakeSource) Checker(env capture.Env) capture.Checker {
	checkedWith = env
	return f
}
func (*fakeSource) Tables(context.Context) ([]changelog.Table, error) {
	return []changelog.Table{{Database: "shop", Name: "orders", Columns: []changelog.Column{{Name: "id"}}, Key: []int{0}}}, nil
}
func (f *fakeSource) Check(context.Context) ([]capture.Finding, error) { return f.found, f.err }

// checkedWith is what the last preflight was made with.
var checkedWith capture.Env

type fakeStream struct{}

func (fakeStream) Open(context.Context, changelog.Checkpoint) (changelog.Checkpoint, error) {
	return changelog.Checkpoint{}, errors.New("not reached without Kafka")
}
func (fakeStream) Stream(context.Context, chan<- *changelog.Batch) error { return nil }
func (fakeStream) Ack(changelog.Position)                                {}
func (fakeStream) Stats() capture.Stats                                  { return capture.Stats{} }
func (fakeStream) Close() error                                          { return nil }

type fakeFormat struct{}

func (*fakeFormat) Preset(string) bool                { return false }
func (*fakeFormat) Validate() []error                 { return nil }
func (*fakeFormat) Format(formats.Env) formats.Format { return nil }
func (*fakeFormat) Decoder() formats.Decoder          { return nil }

// syncBuffer is written by the command and read by the test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// call runs a command line.
func call(reg config.Registry, args ...string) (code int, stdout, stderr string) {
	var out, errs syncBuffer
	code = execute(&app{registry: reg, version: "v9", out: &out, err: &errs}, args)
	return code, out.String(), errs.String()
}

// configFile writes a configuration whose broker is nowhere.
func configFile(t *testing.T, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := "kafka: {brokers: ['127.0.0.1:1'], request_timeout: 1s}\npipelines: [{name: shop, source: {type: fake}, format: lines}]\n" + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func mustJSON(t *testing.T, text string, into any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
