package mishaps

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cdcbridge/integration/browser"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// vault is a world in which everything wants a password.
type vault struct {
	*testing.T
	kafka *servers.Kafka
	my    *servers.MySQL
	pg    *servers.Postgres
	files map[string]string // of secrets
}

const vaultName = "vault"

func newVault(t *testing.T) *vault {
	t.Helper()
	v := &vault{
		T: t,
		kafka: servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{
			Users: map[string]string{"alice": planted["Kafka"], "bob": planted["Kafka of a source"]}, Authorizer: true, SuperUsers: []string{"alice", "bob"},
		}}),
		my:    servers.MySQLFor(t, servers.MySQLOptions{}),
		pg:    servers.PostgresFor(t, servers.PostgresOptions{}),
		files: map[string]string{},
	}
	for what, secret := range planted {
		v.files[what] = filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(v.files[what], []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.my.CreateUser(t.Context(), vaultName, planted["MySQL"], "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON *.*"); err != nil {
		t.Fatal(err)
	}
	if db, err := v.pg.DB(vaultName); err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	if err := v.pg.Exec(t.Context(), vaultName, "CREATE ROLE vault LOGIN REPLICATION SUPERUSER PASSWORD '"+strings.ReplaceAll(planted["PostgreSQL"], "'", "''")+"'", table, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	db, err := v.my.DB(vaultName)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{"CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE u LIKE t", "INSERT INTO t VALUES (1, 'masked')"} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// yaml has each secret in each way in which it can be given: in the file, by a file, by the environment. wrong takes the wrong ones.
func (v *vault) yaml(format string, wrong bool) string {
	named := func(what string) string {
		if wrong {
			return "wrong " + what
		}
		return what
	}
	for name, what := range map[string]string{"VAULT_POSTGRES": "PostgreSQL", "VAULT_WRONG": "wrong PostgreSQL"} {
		if err := os.Setenv(name, planted[what]); err != nil {
			v.Fatal(err)
		}
	}
	variable := map[bool]string{false: "${VAULT_POSTGRES}", true: "${VAULT_WRONG}"}[wrong]
	kafka := named("Kafka")
	return fmt.Sprintf(`
log: {level: debug, format: %s}
kafka: {brokers: [%s], sasl: {mechanism: plain, user: alice, password: %s}}
pipelines:
  - name: vault-my
    source: {type: mysql, host: 127.0.0.1, port: %d, user: vault, password_file: %s, tables: [vault.*]}
    format: plain-json
%s
  - name: vault-pg
    source: {type: postgres, host: 127.0.0.1, port: %d, database: vault, user: vault, password: "%s", tables: [public.t]}
    format: debezium-json
  - name: vault-topics
    source: {type: kafka, brokers: [%s], sasl: {mechanism: scram-sha-256, user: bob, password: %s}, topics: [vault-my.vault.t], format: plain-json}
    format: plain-json
`, format, strings.Join(v.kafka.Listener(servers.SASL), ", "), strconv.Quote(planted[kafka]), v.my.Port(), v.files[named("MySQL")], v.masks(),
		v.pg.Port(), variable, strings.Join(v.kafka.Listener(servers.SASL), ", "), strconv.Quote(planted["Kafka of a source"]))
}

// masks are the shaping rules with salts.
func (v *vault) masks() string {
	return fmt.Sprintf("    tables: [{name: vault.t, mask: [{columns: [v], with: hash, salt: %s}]}, {name: vault.u, mask: [{columns: [v], with: hash, salt_file: %s}]}]",
		strconv.Quote(planted["salt of a mask"]), v.files["salt from a file"])
}

// everything is all that a daemon says to anybody.
func (v *vault) everything(d *harness.Daemon, page func(string) string) {
	v.Helper()
	for _, path := range []string{"/status", "/status/history?since=0", "/readyz", "/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1"} {
		_, body, err := d.Get(v.Context(), path)
		if err != nil {
			v.Fatal(err)
		}
		discreet(v.T, path, string(body))
	}
	discreet(v.T, "the page", page("http://"+d.HTTP()+"/"))
	for _, args := range [][]string{
		{"validate"}, {"validate", "-o", "json"}, {"validate", "--diff", d.Config()}, {"status"}, {"status", "-o", "json"}, {"status", "--offsets"},
		{"state", "export", "vault-my"}, {"state", "export", "vault-pg"}, {"inspect", "vault-my.vault.t", "--from", "earliest", "--follow=false"},
		{"inspect", "cdcbridge.state", "--from", "earliest", "--follow=false", "--format", "plain-json", "-o", "json"},
		{"ddl", "flink", "--pipeline", "vault-my"}, {"snapshot", "vault.t", "--pipeline", "vault-my"}, {"pause", "vault-pg"}, {"resume", "vault-pg", "-o", "json"},
		{"reset", "vault-topics", "--to", "earliest"}, {"version"},
	} {
		v.command(append(args, "-c", d.Config())...)
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", d.PID()))
	if err != nil {
		v.Fatal(err)
	}
	discreet(v.T, "the list of processes", string(cmdline))
}

// command runs one and looks at what it prints.
func (v *vault) command(args ...string) {
	v.Helper()
	exit, out, errs := harness.Command(v.T, args...)
	if exit == 2 {
		v.Errorf("%v is not understood: %s", args, errs)
	}
	discreet(v.T, strings.Join(args, " "), out+errs)
}

// stacks looks at the last words of a process that is asked what it does: the stacks of all goroutines.
func (v *vault) stacks(d *harness.Daemon) {
	v.Helper()
	if err := d.Signal(syscall.SIGQUIT); err != nil {
		v.Fatal(err)
	}
	select {
	case <-d.Exited():
	case <-time.After(patience):
		v.Fatal("SIGQUIT does not end it")
	}
	if !strings.Contains(d.Log(), "SIGQUIT: quit") || !strings.Contains(d.Log(), "goroutine ") {
		v.Error("there are no stacks in the log")
	}
	discreet(v.T, "the log", d.Log())
}

// TestSecrets looks for each secret in each output, of a daemon that has the right ones and of one that has wrong ones.
func TestSecrets(t *testing.T) {
	v := newVault(t)
	chrome := browser.Start(t)
	page := func(url string) string {
		tab, end := chromedp.NewContext(chrome)
		defer end()
		if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if drawn, err := chromedp.Run(tab, chromedp.Evaluate[string](`document.querySelector('.card') ? document.documentElement.outerHTML : ''`)); err == nil && drawn != "" {
				return drawn
			}
		}
		t.Fatal("the page shows no pipeline")
		return ""
	}
	for _, format := range []string{"text", "json"} {
		for _, wrong := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, wrong %v", format, wrong), func(t *testing.T) {
				v.T = t
				told := v.manager()
				d := v.start(v.yaml(format, wrong))
				v.settled(d, wrong)
				v.everything(d, page)
				if wrong { // with the right ones it waits for changes
					v.command("inspect", "--source", "--pipeline", "vault-my", "-c", d.Config())
					v.command("inspect", "--source", "--pipeline", "vault-pg", "-o", "json", "-c", d.Config())
				} else {
					v.reloads(d, page)
				}
				v.stacks(d)
				discreet(t, "what systemd is told", told())
			})
		}
	}
	for _, topic := range []string{"cdcbridge.state", "vault-my.vault.t", "vault-pg.public.t", "vault-topics.vault.t"} {
		records, err := harness.ReadTopic(t.Context(), v.kafka.Brokers(), topic)
		if err != nil || len(records) == 0 {
			t.Fatal(topic, len(records), err)
		}
		for _, r := range records {
			discreet(t, topic, fmt.Sprintf("%s %s %s", r.Key, r.Value, r.Headers))
		}
	}
}

// start runs a daemon with profiles, which ends with the test.
func (v *vault) start(config string) *harness.Daemon {
	v.Helper()
	d, err := harness.StartProfiled(v.TempDir(), config)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() {
		d.Kill()
		if v.Failed() {
			v.Log("log of the daemon:\n" + d.Log())
		}
	})
	return d
}

// settled waits until each pipeline has read something, or has been refused.
func (v *vault) settled(d *harness.Daemon, wrong bool) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), patience)
	defer cancel()
	for {
		all, err := d.Status(ctx)
		done := err == nil && len(all) == 3
		for _, p := range all {
			done = done && (wrong && p.State == "failed" && p.Code == "auth" || !wrong && p.State == "running" && p.Position != "")
		}
		if done {
			return
		}
		select {
		case <-ctx.Done():
			v.Fatalf("%+v %v", all, err)
		case <-d.Exited():
			v.Fatal(d.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
