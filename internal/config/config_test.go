package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/pipeline"
	"cdcbridge/internal/shape"
	"cdcbridge/upsert"
)

var update = flag.Bool("update", false, "rewrite the expected problems of testdata/*.bad.yml")

func TestMinimalFileGetsDefaults(t *testing.T) {
	cfg, err := Load("testdata/minimal.yml", registry)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Kafka.Brokers; len(got) != 1 || got[0] != "localhost:9092" {
		t.Errorf("brokers %v", got)
	}
	if cfg.HTTP.Listen != "127.0.0.1:8083" || cfg.HTTP.Pprof || cfg.Log.Level != "info" || cfg.ShutdownTimeout != 30*time.Second {
		t.Errorf("got %+v %+v %v", cfg.HTTP, cfg.Log, cfg.ShutdownTimeout)
	}
	if cfg.Delivery != upsert.DefaultConfig() {
		t.Errorf("delivery %+v", cfg.Delivery)
	}
	if len(cfg.Pipelines) != 1 {
		t.Fatalf("%d pipelines", len(cfg.Pipelines))
	}
	s := cfg.Pipelines[0].Spec
	if !reflect.DeepEqual(s.Snapshot, capture.DefaultSnapshotConfig()) {
		t.Errorf("snapshot %+v", s.Snapshot)
	}
	if s.Name != "shop" || s.Memory != pipeline.DefaultMemory || s.Workers != pipeline.DefaultWorkers || s.Commit != pipeline.DefaultCommitPolicy() {
		t.Errorf("got %+v", s)
	}
	if src := s.Source.(*fakeSource); src.Host != "db" || src.Port != 3306 || src.Heartbeat != 5*time.Second {
		t.Errorf("source %+v", src)
	}
	o := s.Outputs[0]
	if o.Name != "debezium-json" || o.Mode != upsert.Upsert || o.Topic != defaultTopic || o.Tables != nil || !o.Settings.Create || o.Adopt || o.NoTombstones || o.Keys != nil {
		t.Errorf("output %+v", o)
	}
	if f := cfg.Pipelines[0].Formats[0].(*fakeFormat); f.Decimal != "precise" || f.env.Server != "shop" || f.env.Version != "v9" {
		t.Errorf("format %+v", f)
	}
}

func TestEverySettingArrives(t *testing.T) {
	t.Setenv("DB_HOST", "db.example")
	t.Setenv("BROKERS", "a:9092, b:9092")
	t.Setenv("WORKERS", "3")
	t.Setenv("HAS_SALT", "pepper")
	t.Setenv("EMPTY", "")
	cfg, err := Load("testdata/full.yml", registry)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Kafka.Brokers; !reflect.DeepEqual(got, []string{"a:9092", "b:9092"}) {
		t.Errorf("brokers %q", got)
	}
	if cfg.Kafka.SASL.Password != "from a file, not expanded: ${HOME}" {
		t.Errorf("password %q", cfg.Kafka.SASL.Password)
	}
	p := cfg.Pipelines[0]
	src := p.Spec.Source.(*fakeSource)
	if src.Host != "db.example" || src.User != "cdc$x" || src.Password != "fallback" || src.MaxRow != 4<<20 || !src.TLS.Strict || src.TLS.Ratio != 0.5 {
		t.Errorf("source %+v", src)
	}
	if p.Spec.Workers != 3 || p.Spec.Memory != 64<<20 || !p.ExitOnFailure || p.SourceType != "mysql" || p.Spec.ProgressTopic != "shop.progress" || !p.Spec.Delivery.AtLeastOnce {
		t.Errorf("pipeline %+v", p)
	}
	wantSnapshot := capture.SnapshotConfig{
		Mode: capture.SnapshotWhenNeeded, Readers: 4, ChunkTime: time.Second, ChunkBytes: 1 << 20, SignalTable: "shop.Signals",
		Tables: []capture.SnapshotTable{{Name: "shop.Events.x", Where: "id > 5", Priority: -1}, {Name: "shop.big", Skip: true}},
	}
	if !reflect.DeepEqual(p.Spec.Snapshot, wantSnapshot) {
		t.Errorf("snapshot %+v", p.Spec.Snapshot)
	}
	if c := p.Spec.Commit; c.MinGap != time.Millisecond || c.MaxInterval != time.Second || c.MaxBytes != 1<<20 || c.IdleInterval != 10*time.Second {
		t.Errorf("commit %+v", c)
	}
	filter, err := shape.ParseFilter("id > 5")
	if err != nil {
		t.Fatal(err)
	}
	wantTables := []upsert.TableRule{
		{Name: "shop.Events.x", Key: []string{"Tenant", "id"}},
		{Name: "shop.*", Outputs: []string{"log"}, Shape: shape.Rules{Include: []string{"id", "Mail"}, Filter: filter,
			Masks: []shape.Mask{{Columns: []string{"Mail"}, With: shape.WithHash, Salt: "pepper"}}, Renames: []shape.Rename{{Column: "Mail", To: "eMail"}}}},
		{Name: "shop.*", Shape: shape.Rules{Exclude: []string{"note"}, Masks: []shape.Mask{{Columns: []string{"Mail"}, With: shape.WithTruncate, Length: 3}}}},
	}
	if !reflect.DeepEqual(p.Spec.Tables, wantTables) {
		t.Errorf("tables %+v", p.Spec.Tables)
	}
	if got := settingsBelow(cfg, "pipelines[shop].tables[shop.*"); !slices.Contains(got, "pipelines[shop].tables[shop.*].mask[0].salt ***") || !slices.Contains(got, "pipelines[shop].tables[shop.*#2].mask[0].length 3") {
		t.Errorf("settings %q", got)
	}
	a, b := p.Spec.Outputs[0], p.Spec.Outputs[1]
	if len(a.Keys) != 2 || b.Keys != nil || !a.NoTombstones || b.NoTombstones {
		t.Errorf("keys and tombstones: %+v, %+v", a, b)
	}
	added := []shape.Metadata{{Name: "Shard", From: shape.Database, As: shape.Field}, {Name: "what", From: shape.Op, As: shape.Header}}
	if a.Metadata != nil || a.KeyPrefix != "" || !reflect.DeepEqual(b.Metadata, added) || b.KeyPrefix != "Shard" {
		t.Errorf("metadata: %+v, %+v", a, b)
	}
	if a.Name != "log" || a.Mode != upsert.Changelog || a.Topic != "cdc.{schema}.{table}" || a.Tables != nil || !a.Adopt {
		t.Errorf("first output %+v", a)
	}
	if b.Name != "canal-json" || b.Mode != upsert.Upsert || !b.Tables.Match("shop", "Orders") || b.Tables.Match("shop", "other") {
		t.Errorf("second output %+v", b)
	}
	want := upsert.TopicSettings{Partitions: 6, Replication: 3, Create: false, Config: map[string]string{"max.message.bytes": "2097152", "Mixed.Case": "Kept"}}
	if !reflect.DeepEqual(a.Settings, want) || !reflect.DeepEqual(b.Settings, want) {
		t.Errorf("topic settings %+v", a.Settings)
	}
	if f := p.Formats[0].(*fakeFormat); f.Decimal != "string" {
		t.Errorf("the preset was not applied: %+v", f)
	}
	if f := p.Formats[1].(*fakeFormat); f.Decimal != "double" {
		t.Errorf("options do not win over the preset: %+v", f)
	}
}

// settingsBelow lists what is set below a path.
func settingsBelow(cfg *Config, path string) []string {
	var all []string
	for _, s := range cfg.Settings {
		if strings.HasPrefix(s.Path, path) {
			all = append(all, s.Path+" "+s.Value)
		}
	}
	return all
}

// TestBadFiles loads each testdata/x.bad.yml and compares all problems with x.bad.txt.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	t.Setenv("HAS_TEXT", "some-text")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.yml"), func(t *testing.T) {
			_, err := Load(file, registry)
			if !fault.Is(err, fault.Config) || !fault.IsFinal(err) {
				t.Fatalf("not a final config fault: %v", err)
			}
			var ps Problems
			if !errors.As(err, &ps) || len(ps) == 0 {
				t.Fatalf("no problems in %v", err)
			}
			var got strings.Builder
			for _, p := range ps {
				got.WriteString(p.String() + "\n")
			}
			golden := strings.TrimSuffix(file, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
			if strings.Contains(got.String(), "hunter2") || strings.Contains(got.String(), "some-text") {
				t.Errorf("a message shows a secret or the content of a variable:\n%s", got.String())
			}
		})
	}
}

func TestFaultListsOneProblemPerLine(t *testing.T) {
	_, err := Load("testdata/several.bad.yml", registry)
	lines := strings.Split(err.Error(), "\n")
	if !strings.HasPrefix(lines[0], "config: reading testdata/several.bad.yml: ") || !strings.HasSuffix(lines[0], " 2 problems:") || len(lines) != 3 {
		t.Errorf("got %s", err)
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "no.yaml"), registry)
	if !fault.Is(err, fault.Config) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

func TestEmptyFileNamesWhatIsMissing(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "comment": "# nothing\n", "null": "~\n"} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(file, registry)
		if err == nil || !strings.Contains(err.Error(), "kafka.brokers: ") || !strings.Contains(err.Error(), "pipelines: needs at least one pipeline") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ content, want, problem string }{
		{"pw\n", "pw", ""},
		{"pw\r\n", "pw", ""},
		{"two\nlines\n\n", "two\nlines\n", ""},
		{" $pw ", " $pw ", ""},
		{"\n", "", "pipelines[0].source.password_file: " + filepath.Join(dir, "secret") + " is empty"},
	} {
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "c.yml")
		text := "kafka: {brokers: [a:1]}\npipelines: [{name: a, format: canal-json, source: {type: mysql, host: h, tables: [a.b], password_file: '" + secret + "'}}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(file, registry)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%q: %v", c.content, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Pipelines[0].Spec.Source.(*fakeSource).Password; got != c.want {
			t.Errorf("%q gave %q", c.content, got)
		}
	}
}
