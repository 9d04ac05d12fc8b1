package endtoend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestValidate runs the preflight on servers that are as they should be, then on each mistake. What it calls a problem is
// what stops the daemon, with the same code.
func TestValidate(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	b := newBench(t, my, "shop")
	good := setup{name: "good", b: b, brokers: kafka.Brokers()}
	if exit, problems := validate(t, good.yaml()); exit != 0 {
		t.Fatalf("on good servers: %+v", problems)
	}
	exit, out, _ := harness.Command(t, "validate", "-c", harness.ConfigFile(t, good.yaml()))
	if exit != 0 || !strings.Contains(out, " 0 problems") {
		t.Errorf("exit code %d with\n%s", exit, out)
	}
	for _, c := range []struct {
		name    string
		code    string
		subject string
		config  string
		state   string // of the daemon, "failed" by default
		before  func(t *testing.T)
		after   []string
	}{
		{name: "unknown key", code: "config", subject: "kafka.brokerz", config: strings.Replace(good.yaml(), "brokers:", "brokerz:", 1)},
		{name: "password", code: "auth", subject: "connection", config: strings.Replace(good.yaml(), "password: it", "password: "+wrongSecret, 1)},
		{name: "MySQL down", code: "unreachable", subject: "connection", config: strings.Replace(good.yaml(), fmt.Sprintf("port: %d", my.Port()), "port: 1", 1), state: "retrying"},
		{name: "Kafka down", code: "unreachable", subject: "check", config: setup{name: "good", b: b, brokers: []string{"127.0.0.1:1"}}.yaml(), state: "retrying"},
		{name: "log format", code: "source_settings", subject: "binlog_format", config: good.yaml(),
			before: func(t *testing.T) { b.exec(t, "SET GLOBAL binlog_format=MIXED") }, after: []string{"SET GLOBAL binlog_format=ROW"}},
		{name: "topic", code: "topic_not_compacted", subject: "cleanup.policy", config: good.yaml(), before: func(t *testing.T) {
			createTopic(t, harness.AdminFor(t, kafka.Brokers()), "good.can.names", 3, map[string]string{"cleanup.policy": "delete"})
			b.exec(t, "REPLACE INTO shop.names VALUES ('a', 1)")
		}},
		{name: "key", code: "no_key", subject: "table keyless.orders", config: setup{name: "keyless", b: &bench{database: &mysqlDatabase{my: my, name: "keyless"}}, brokers: kafka.Brokers()}.yaml(),
			before: func(t *testing.T) {
				b.exec(t, "CREATE DATABASE keyless", "CREATE TABLE keyless.orders (id INT, UNIQUE (id))", "CREATE TABLE keyless.known (id INT NOT NULL, UNIQUE (id))", "INSERT INTO keyless.orders VALUES (1)")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before(t)
			}
			exit, problems := validate(t, c.config)
			if exit != 3 || len(problems) == 0 {
				t.Fatalf("exit code %d with the problems %+v", exit, problems)
			}
			for _, p := range problems {
				if p.Code != c.code || p.Subject != c.subject || p.Remedy == "" && c.code != "config" {
					t.Errorf("found %+v, want %s of %s with a remedy", p, c.code, c.subject)
				}
			}
			if c.code == "config" {
				return
			}
			d := start(t, c.config)
			if c.state == "" {
				waitFailed(t, d, 30*time.Second, c.code)
			} else if s := harness.StateFor(t, d, 30*time.Second, c.state); s.Code != c.code || s.Hint == "" {
				t.Errorf("the daemon: %+v", s)
			}
			discreet(t, d)
			b.exec(t, c.after...)
		})
	}
}
