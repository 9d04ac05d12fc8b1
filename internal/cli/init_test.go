package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
)

// fakeDatabase is a server with tables good and bad.
type fakeDatabase struct {
	Host     string         `mapstructure:"host"`
	Port     int            `mapstructure:"port"`
	Database string         `mapstructure:"database"`
	User     string         `mapstructure:"user"`
	Password capture.Secret `mapstructure:"password"`
	Tables   []string       `mapstructure:"tables"`
	TLS      struct {
		Mode   string `mapstructure:"mode"`
		CAFile string `mapstructure:"ca_file"`
	} `mapstructure:"tls"`
	seen *fakeDatabase
	fail error
}

func (*fakeDatabase) Validate() []error              { return nil }
func (*fakeDatabase) New(capture.Env) capture.Source { return fakeStream{} }
func (f *fakeDatabase) Checker(capture.Env) capture.Checker {
	seen := f.seen
	*seen = *f
	return fakeLook{f}
}

type fakeLook struct{ f *fakeDatabase }

func (l fakeLook) Tables(context.Context) ([]changelog.Table, error) {
	table := func(name string, key ...int) changelog.Table {
		return changelog.Table{Database: "shop", Name: name, Columns: []changelog.Column{{Name: "id"}, {Name: "line"}}, Key: key}
	}
	return []changelog.Table{table("orders", 0), table("log"), table("items", 0, 1), table("old", 0), table("odd *\n", 0)}, l.f.fail
}

func (l fakeLook) Check(context.Context) ([]capture.Finding, error) {
	return []capture.Finding{
		{Subject: "binlog_format", Detail: "MIXED", Severity: capture.Problem, Remedy: "SET GLOBAL binlog_format = 'ROW'\nand restart."},
		{Subject: "table shop.items", Detail: "its engine is MyISAM", Severity: capture.Warning, Remedy: "Run ALTER TABLE."},
		{Subject: "snapshot of shop.old", Detail: "it is system-versioned", Severity: capture.Problem, Remedy: "Leave it\nout."},
		{Subject: "version", Detail: "9", Severity: capture.OK},
	}, nil
}

func callInit(t *testing.T, f *fakeDatabase, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	reg := registry(nil, nil)
	f.seen = &fakeDatabase{}
	for _, kind := range []string{"mysql", "postgres", "kafka"} {
		reg.Sources = append(reg.Sources, capture.Kind{Name: kind, Config: func() capture.Config { c := *f; return &c }})
	}
	return call(reg, append([]string{"init", "--format", "lines"}, args...)...)
}

func TestInitWritesWhatValidateAccepts(t *testing.T) {
	f := &fakeDatabase{}
	file := filepath.Join(t.TempDir(), "c.yaml")
	code, out, errs := callInit(t, f, "mysql://c%24dc:s3cr%24t@db1:3307/shop?sslmode=verify-full", "-c", file, "--brokers", "k1:9092,k2:9092", "--name", "web")
	if code != exitOK || errs != "" {
		t.Fatalf("%d %q", code, errs)
	}
	if f.seen.Password != "s3cr$t" || f.seen.User != "c$dc" || f.seen.Port != 3307 || f.seen.TLS.Mode != "verify_identity" || f.seen.Tables[0] != "shop.*" {
		t.Errorf("looked at %+v with %q", f.seen, string(f.seen.Password))
	}
	for _, want := range []string{"Wrote " + file, "5 tables, 3 of them left out", "export MYSQL_PASSWORD=…", "cdcbridge validate -c " + file, "binlog_format: MIXED"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{
		"\n        - shop.orders          # key id; topic web.shop.orders\n",
		"\n        # shop.items: its engine is MyISAM. Run ALTER TABLE.\n        - shop.items          # key id, line; topic web.shop.items\n",
		"\n        # shop.old: it is system-versioned. Leave it out.\n        # - shop.old\n",
		"\n        # - shop.log\n", "\n# binlog_format: MIXED\n#   SET GLOBAL", "password: ${MYSQL_PASSWORD}", `user: "c$$dc"`, "brokers: [\"k1:9092\", \"k2:9092\"]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text+out, "s3cr") {
		t.Errorf("the password is written:\n%s%s", text, out)
	}
	if code, _, errs := callInit(t, f, "mysql://cdc@db1/shop", "-c", file); code != exitUsage || !strings.Contains(errs, "is there already") {
		t.Errorf("%d %q", code, errs)
	}
	t.Setenv("MYSQL_PASSWORD", "from the environment")
	if code, out, errs := callInit(t, f, "mysql://cdc@db1/shop", "-c", "-"); code != exitOK || !strings.HasPrefix(out, "# Written by") || f.seen.Password != "from the environment" {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

func TestInitForTopics(t *testing.T) {
	code, out, errs := callInit(t, &fakeDatabase{}, "kafka://k1:9092,k2:9092/canal.shop,canal.crm?format=canal-json", "-c", "-")
	if code == exitOK || !strings.Contains(errs, "unknown key") { // the fake has no keys of topics: what is written is checked
		t.Errorf("%d %q %q", code, out, errs)
	}
	o, err := parseOrigin("kafka://k1:9092,k2:9092/canal.shop,canal.crm?format=canal-json")
	if err != nil {
		t.Fatal(err)
	}
	text := (&starter{from: o, name: "a", brokers: []string{"k1:9092", "k2:9092"}, format: "lines"}).text()
	if !strings.Contains(text, "topics: [canal.shop, canal.crm]") || !strings.Contains(text, "format: canal-json") || strings.Contains(text, "${") {
		t.Errorf("got\n%s", text)
	}
}

func TestInitThatCannotBe(t *testing.T) {
	refused := fault.NewFinal(fault.Auth, "connecting", errors.New("access denied"), "Check the password.")
	file := filepath.Join(t.TempDir(), "c.yaml")
	code, out, errs := callInit(t, &fakeDatabase{fail: refused}, "mysql://cdc:x@db1/shop", "-c", file)
	if _, err := os.Stat(file); code != exitFailure || out != "" || !strings.Contains(errs, "docs/errors.md#auth") || err == nil {
		t.Errorf("%d %q %v", code, errs, err)
	}
	for _, address := range []string{
		"db1", "oracle://u:hunter2@h/d", "mysql://u:hunter2%@h/d", "mysql://u:hunter2@/d", "mysql://h/d", "postgres://u:hunter2@h", "postgres://u:hunter2@h/d?sslmode=x",
		"postgres://u:hunter2@h/d?application_name=x", "mysql://u:hunter2@h:99999/d", "kafka://h:1", "kafka:///t", "kafka://u:hunter2@h/t", "kafka://h/t?x=1",
	} {
		code, out, errs := callInit(t, &fakeDatabase{}, address, "-c", file)
		if code != exitUsage || out != "" || strings.Contains(errs, "hunter2") {
			t.Errorf("%s: %d %q", address, code, errs)
		}
	}
	if code, _, errs := callInit(t, &fakeDatabase{}, "mysql://cdc@db1/shop", "-c", file); code != exitConfig || !strings.Contains(errs, "MYSQL_PASSWORD is not set") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestFormatsAreRecognized(t *testing.T) {
	for text, want := range map[string]string{
		`{"before":null,"after":{"id":1},"source":{},"op":"c"}`: "debezium-json", `{"schema":{},"payload":{}}`: "debezium-json",
		`{"data":[],"type":"INSERT","isDdl":false}`: "canal-json", `{"id":1,"op":"c"}`: "", `nothing`: "", ``: "", `[1]`: "",
	} {
		if got := formatOf([]byte(text)); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// FuzzYAMLText reads texts back as the configuration does.
func FuzzYAMLText(f *testing.F) {
	for _, s := range []string{"shop", "true", "1", "a: b # c", "${HOME}", "$$x", "\"\\\u0085\n", "- x", "*", "é", "~", "0x1", "a.b*", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ToValidUTF8(s, "") != s || s == "" || strings.ContainsFunc(s, func(r rune) bool { return r >= 0xfffe && r <= 0xffff }) {
			return // what YAML cannot hold
		}
		text := "kafka: {brokers: ['h:1'], client_id: " + yamlText(s) + "}\npipelines: [{name: shop, source: {type: fake}, format: lines}]\n"
		cfg, err := config.LoadText("it", text, registry(nil, nil), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatalf("%q: %v", yamlText(s), err)
		}
		if cfg.Kafka.ClientID != s {
			t.Errorf("%q was written as %s and read as %q", s, yamlText(s), cfg.Kafka.ClientID)
		}
	})
}

// TestInitSaysNotesInTheOrderOfTheFile: what was found about the server stands on the screen as it does in the file.
func TestInitSaysNotesInTheOrderOfTheFile(t *testing.T) {
	var out syncBuffer
	a := &app{out: &out, configPath: filepath.Join(t.TempDir(), "c.yaml")}
	s := &starter{from: &origin{kind: "mysql", host: "h", user: "u"}, name: "cdc", notes: []string{"binlog_format: first", "binlog_row_image: second"}}
	if err := a.writeStarter(s, s.text()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(a.configPath)
	if err != nil {
		t.Fatal(err)
	}
	const want = "binlog_format: first\nbinlog_row_image: second\n0 tables, 0 of them left out, each with the reason in the file.\nNext:\n  export MYSQL_PASSWORD=…\n  cdcbridge validate -c "
	if !strings.Contains(out.String(), want) || strings.Index(string(file), "first") > strings.Index(string(file), "second") {
		t.Errorf("got\n%s\nand in the file\n%s", out.String(), file)
	}
}
