// Package readme does what README.md and docs/kafka.md tell people to do, word for word, on real servers: the SQL, the ACLs
// and the configuration are read from the pages, so that they cannot go stale.
package readme

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// what README.md calls the account's password, and Kafka's account here.
const (
	password = "secret"
	kafkaKey = "kafka-secret"
)

// TestFirstSteps follows the README with an account that has the documented grants and ACLs and no others.
func TestFirstSteps(t *testing.T) {
	page := read(t, "README.md")
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{Users: map[string]string{"cdc": kafkaKey}, Authorizer: true}})
	my := servers.MySQLFor(t, servers.MySQLOptions{Extra: []string{"--binlog-row-metadata=MINIMAL"}})
	root := prepareMySQL(t, my, page)
	allow(t, kafka, read(t, "docs/kafka.md"))

	t.Setenv("MYSQL_PASSWORD", password)
	config := configuration(t, page, my, kafka)
	file := filepath.Join(t.TempDir(), "cdcbridge.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out := command(t, "validate", "-c", file)
	if !strings.Contains(out, " 0 problems") {
		t.Errorf("validate found problems:\n%s", out)
	}

	d := harness.StartFor(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if s, err := d.WaitState(ctx, "running", "failed"); err != nil || s.State != "running" {
		t.Fatalf("%+v %v\n%s", s, err, d.Log())
	}
	for _, q := range []string{"INSERT INTO shop.orders VALUES (1, 'Ada', 12.5)", "UPDATE shop.orders SET amount = 13 WHERE id = 1", "DELETE FROM shop.orders WHERE id = 1"} {
		if _, err := root.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	waitForTopic(ctx, t, kafka, "cdc.shop.orders")
	got := command(t, "inspect", "cdc.shop.orders", "--from", "earliest", "--max", "4", "-c", d.Config())
	for _, mark := range []string{`+I cdc.shop.orders/`, `"amount":"12.50"}`, `-U `, `+U `, `-D `, `-T `} {
		if !strings.Contains(got, mark) {
			t.Errorf("%q is missing in\n%s", mark, got)
		}
	}
	// The topic, read by the types of the source, as Canal would have written it.
	canal := command(t, "convert", "cdc.shop.orders", "--from", "debezium-json", "--from-preset", "flink", "--tables", "cdc", "--to", "canal-json", "-c", d.Config())
	for _, part := range []string{`"type":"INSERT"`, `"type":"UPDATE"`, `"type":"DELETE"`, `"amount":"12.50"`, `"amount":"decimal(10,2)"`, `"pkNames":["id"]`} {
		if !strings.Contains(canal, part) {
			t.Errorf("%q is missing in\n%s", part, canal)
		}
	}
	if s := command(t, "status", "-c", d.Config()); !regexp.MustCompile(`cdc\s+running`).MatchString(s) {
		t.Errorf("status says\n%s", s)
	}
	if err := d.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// read gives a page of the repository.
func read(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block gives the first code block of a language that holds a text.
func block(t *testing.T, page, language, holds string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], holds) {
			return m[1]
		}
	}
	t.Fatalf("no %s block holds %q", language, holds)
	return ""
}

// prepareMySQL runs the README's SQL, then makes a table. It returns an account that may write.
func prepareMySQL(t *testing.T, my *servers.MySQL, page string) *sql.DB {
	t.Helper()
	db, err := my.DB("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxIdleConns(0) // settings are for sessions that begin afterwards
	statements := regexp.MustCompile(`--.*`).ReplaceAllString(block(t, page, "sql", "CREATE USER"), "")
	statements += "CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, customer VARCHAR(20), amount DECIMAL(10,2));"
	for s := range strings.SplitSeq(statements, ";") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}

// configuration is the README's with the addresses and Kafka's account filled in.
func configuration(t *testing.T, page string, my *servers.MySQL, kafka *servers.Kafka) string {
	t.Helper()
	config := block(t, page, "yaml", "pipelines:")
	for from, to := range map[string]string{
		"brokers: [localhost:9092]": fmt.Sprintf("brokers: [%s]\n  sasl: {mechanism: scram-sha-512, user: cdc, password: %s}", strings.Join(kafka.Listener(servers.SASL), ", "), kafkaKey),
		"host: localhost":           fmt.Sprintf("host: %s\n      port: %d", my.Host(), my.Port()),
	} {
		if strings.Count(config, from) != 1 {
			t.Fatalf("the README's configuration has %q not once:\n%s", from, config)
		}
		config = strings.Replace(config, from, to, 1)
	}
	return config
}

// allow makes the ACLs that the page's kafka-acls.sh commands would make.
func allow(t *testing.T, kafka *servers.Kafka, page string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	commands := strings.ReplaceAll(block(t, page, "sh", "kafka-acls.sh"), "\\\n", " ")
	made := 0
	for line := range strings.Lines(commands) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		b, err := acl(strings.Fields(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		results, err := kadm.NewClient(cl).CreateACLs(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Fatalf("%s: %v", line, r.Err)
			}
			made++
		}
	}
	if made < 12 {
		t.Fatalf("made %d ACLs only", made)
	}
}

// acl reads one kafka-acls.sh command.
func acl(args []string) (*kadm.ACLBuilder, error) {
	b := kadm.NewACLs().AllowHosts().ResourcePatternType(kadm.ACLPatternLiteral)
	var ops []kmsg.ACLOperation
	for i := 1; i < len(args); i++ {
		if args[i] == "--add" {
			continue
		}
		if args[i] == "--cluster" {
			b.Clusters()
			continue
		}
		if i+1 == len(args) {
			return nil, fmt.Errorf("%s has no value", args[i])
		}
		flag, value := args[i], args[i+1]
		i++
		switch flag {
		case "--bootstrap-server":
		case "--allow-principal":
			b.Allow(value)
		case "--topic":
			b.Topics(value)
		case "--transactional-id":
			b.TransactionalIDs(value)
		case "--resource-pattern-type":
			b.ResourcePatternType(map[string]kadm.ACLPattern{"prefixed": kadm.ACLPatternPrefixed, "literal": kadm.ACLPatternLiteral}[value])
		case "--operation":
			op, err := kmsg.ParseACLOperation(value)
			if err != nil {
				return nil, err
			}
			ops = append(ops, op)
		default:
			return nil, fmt.Errorf("unknown flag %s", flag)
		}
	}
	return b.Operations(ops...), b.ValidateCreate()
}

// command runs cdcbridge and returns what it prints; it must succeed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	exit, out, errs := harness.Command(t, args...)
	if exit != 0 {
		t.Fatalf("cdcbridge %s: exit %d\n%s%s", strings.Join(args, " "), exit, out, errs)
	}
	return out
}

// waitForTopic waits until a topic exists: inspect does not wait for that.
func waitForTopic(ctx context.Context, t *testing.T, kafka *servers.Kafka, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for {
		found, err := kadm.NewClient(cl).ListTopics(ctx, topic)
		if err == nil && found.Has(topic) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
