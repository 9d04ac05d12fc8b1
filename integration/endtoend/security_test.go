package endtoend

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// secured is a cluster and a database that let only some in.
type secured struct {
	kafka *servers.Kafka
	my    *servers.MySQL
	other *servers.CA // trusted by nobody
	rows  int         // written into shop.orders so far
	b     *bench
}

// link is how a pipeline connects.
type link struct {
	name     string
	listener string // of Kafka
	kafka    string // further keys of the kafka section
	user     string // of MySQL
	password string
	source   string // further keys of the source section
}

func (s *secured) yaml(pipeline string, l link) string {
	config := setup{name: pipeline, b: s.b, brokers: s.kafka.Listener(l.listener), kafka: l.kafka, source: l.source, table: "orders"}.yaml()
	account := fmt.Sprintf("user: %s, password: %s", s.my.User(), s.my.Password())
	return strings.Replace(config, account, fmt.Sprintf("user: %s, password: %q", l.user, l.password), 1) + "\nlog: {level: debug}\n"
}

// sasl is a sasl section.
func sasl(mechanism, user, password string) string {
	return fmt.Sprintf(", sasl: {mechanism: %s, user: %s, password: %q}", mechanism, user, password)
}

// tls is a tls section with further keys.
func tls(more string) string { return ", tls: {" + more + "}" }

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{
		kafka: servers.KafkaFor(t, servers.KafkaOptions{
			Security: &servers.KafkaSecurity{
				Users: map[string]string{"alice": kafkaSecret, "bob": kafkaSecret}, Authorizer: true, SuperUsers: []string{"alice", "CN=client"},
			},
			Extra: map[string]string{"transaction.max.timeout.ms": "60000"},
		}),
		my: servers.MySQLFor(t, servers.MySQLOptions{}),
	}
	var err error
	if s.other, err = servers.NewCA(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	s.b = newBench(t, s.my, "shop")
	for name, require := range map[string]string{"clear": "NONE", "secret": "SSL", "certified": "X509"} {
		if err := s.my.CreateUser(t.Context(), name, mysqlSecret, "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON shop.*"); err != nil {
			t.Fatal(err)
		}
		s.b.exec(t, "ALTER USER "+name+" REQUIRE "+require)
	}
	return s
}

// write inserts a few rows.
func (s *secured) write(t *testing.T) {
	t.Helper()
	for range 3 {
		s.rows++
		s.b.exec(t, fmt.Sprintf("INSERT INTO shop.orders (id, customer) VALUES (%d, 1)", s.rows))
	}
}

// settle waits until the topics of orders fold to the table.
func (s *secured) settle(t *testing.T, pipeline string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, o := range outputs {
		for {
			_, err := compareTopic(ctx, s.b, s.kafka.Brokers(), table{"shop", "orders"}, pipeline+"."+o.name+".orders", o.format)
			if err == nil {
				break
			}
			if time.Sleep(100 * time.Millisecond); ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSecurity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	mine, err := s.kafka.CA().Issue("client")
	if err != nil {
		t.Fatal(err)
	}
	const verify, mechanism = "mode: verify_ca, ca_file: ", "scram-sha-512"
	kafkaCA, data := "enabled: true, ca_file: "+s.kafka.CA().File, s.my.DataDir()
	certified := tls(verify + s.my.CAFile() + ", cert_file: " + data + "/client-cert.pem, key_file: " + data + "/client-key.pem")
	verified := tls(verify + s.my.CAFile())
	mutual := tls(kafkaCA + ", cert_file: " + mine.Cert + ", key_file: " + mine.Key)
	alice := func(mechanism string) string { return sasl(mechanism, "alice", kafkaSecret) }

	// One pipeline, which comes over another link at each start.
	for _, l := range []link{
		{name: "plain, verify_ca", listener: servers.SASL, kafka: alice("plain"), user: "secret", source: verified},
		{name: "scram 256, clear", listener: servers.SASL, kafka: alice("scram-sha-256"), user: "clear", source: tls("mode: disabled")},
		{name: "scram 512, required", listener: servers.SASL, kafka: alice(mechanism), user: "secret", source: tls("mode: required")},
		{name: "scram over TLS, certificate", listener: servers.SASLSSL, kafka: alice(mechanism) + tls(kafkaCA), user: "certified", source: certified},
		{name: "mutual TLS, preferred", listener: servers.MTLS, kafka: mutual, user: "secret"},
	} {
		t.Run(l.name, func(t *testing.T) {
			l.password = mysqlSecret
			d := start(t, s.yaml("secured", l))
			s.write(t)
			s.settle(t, "secured")
			discreet(t, d)
			harness.StopFor(t, d)
		})
	}

	good := link{listener: servers.SASL, kafka: alice(mechanism), user: "secret", password: mysqlSecret, source: verified}
	for _, c := range []struct {
		name   string
		change func(*link)
		hint   string
	}{
		{"wrong password of Kafka, plain", func(l *link) { l.kafka = sasl("plain", "alice", wrongSecret) }, "kafka.sasl"},
		{"wrong password of Kafka, scram", func(l *link) { l.kafka = sasl(mechanism, "alice", wrongSecret) }, "kafka.sasl"},
		{"unknown CA of Kafka", func(l *link) {
			l.listener, l.kafka = servers.SASLSSL, alice(mechanism)+tls("enabled: true, ca_file: "+s.other.File)
		}, "ca_file"},
		{"no certificate for Kafka", func(l *link) { l.listener, l.kafka = servers.MTLS, tls(kafkaCA) }, "cert_file"},
		{"wrong password of MySQL", func(l *link) { l.password = wrongSecret }, "password"},
		{"unknown CA of MySQL", func(l *link) { l.source = tls(verify + s.other.File) }, "ca_file"},
		{"nameless certificate of MySQL", func(l *link) { l.source = tls("mode: verify_identity, ca_file: " + s.my.CAFile()) }, "verify_identity"},
		{"no TLS to MySQL", func(l *link) { l.source = tls("mode: disabled") }, "tls"},
		{"no certificate for MySQL", func(l *link) { l.user = "certified" }, "tls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := good
			c.change(&l)
			d := start(t, s.yaml("refused", l))
			waitFailed(t, d, 30*time.Second, "auth")
			if st := harness.StateFor(t, d, time.Second, "failed"); !strings.Contains(st.Hint, c.hint) {
				t.Errorf("the hint does not speak of %s: %+v", c.hint, st)
			}
			discreet(t, d)
			if exit, problems := validate(t, s.yaml("refused", l)); exit != 3 || len(problems) == 0 || problems[0].Code != "auth" || problems[0].Remedy == "" {
				t.Errorf("validate ends with %d and finds %+v", exit, problems)
			}
		})
	}
	t.Run("no SASL", func(t *testing.T) { // what a broker does then looks like a broken network
		l := good
		l.kafka = ""
		if st := harness.StateFor(t, start(t, s.yaml("refused", l)), 30*time.Second, "retrying"); st.Code != "unreachable" || !strings.Contains(st.Hint, "kafka.sasl") {
			t.Errorf("%+v", st)
		}
	})
	t.Run("permissions", s.permissions)
	t.Run("transaction timeout", s.transactionTimeout)
}

// permissions runs a pipeline as a user who has all rights but one, then also that one.
func (s *secured) permissions(t *testing.T) {
	config := s.yaml("bobs", link{listener: servers.SASL, kafka: sasl("plain", "bob", kafkaSecret), user: "clear", password: mysqlSecret})
	refused := func(word string) {
		t.Helper()
		d := start(t, config)
		waitFailed(t, d, 30*time.Second, "permission")
		if st := harness.StateFor(t, d, time.Second, "failed"); !strings.Contains(st.Error, word) {
			t.Errorf("the error does not name %s: %+v", word, st)
		}
		harness.StopFor(t, d)
		exit, problems := validate(t, config)
		if exit != 3 || len(problems) == 0 || problems[0].Code != "permission" {
			t.Errorf("validate ends with %d and finds %+v", exit, problems)
		}
	}
	s.grant(t, kadm.NewACLs().Topics("cdcbridge.state"), kmsg.ACLOperationAll)
	s.grant(t, kadm.NewACLs().Topics("bobs."), kmsg.ACLOperationDescribe, kmsg.ACLOperationCreate, kmsg.ACLOperationRead, kmsg.ACLOperationDescribeConfigs)
	s.grant(t, kadm.NewACLs().Topics("bobs.dbz."), kmsg.ACLOperationWrite)
	refused("transactional id")
	s.grant(t, kadm.NewACLs().TransactionalIDs("cdcbridge-bobs"), kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
	s.write(t)
	refused("bobs.can.orders")
	if records, err := harness.ReadTopic(t.Context(), s.kafka.Brokers(), "bobs.dbz.orders"); err != nil || len(records) > 0 {
		t.Errorf("%d records are readable without those of the other output: %v", len(records), err)
	}
	s.grant(t, kadm.NewACLs().Topics("bobs.can."), kmsg.ACLOperationWrite)
	d := start(t, config)
	s.settle(t, "bobs")
	if exit, problems := validate(t, config); exit != 0 {
		t.Errorf("validate finds %+v", problems)
	}
	harness.StopFor(t, d)
}

// grant lets bob do some things with what begins with the names in b.
func (s *secured) grant(t *testing.T, b *kadm.ACLBuilder, ops ...kmsg.ACLOperation) {
	t.Helper()
	b = b.ResourcePatternType(kadm.ACLPatternPrefixed).Allow("User:bob").AllowHosts().Operations(ops...)
	results, err := harness.AdminFor(t, s.kafka.Brokers()).CreateACLs(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	time.Sleep(500 * time.Millisecond) // the broker learns of it a moment later
}

func (s *secured) transactionTimeout(t *testing.T) {
	config := s.yaml("patient", link{listener: servers.Plaintext, kafka: ", transaction_timeout: 2m", user: "clear", password: mysqlSecret})
	d := start(t, config)
	waitFailed(t, d, 30*time.Second, "transaction_timeout")
	if st := harness.StateFor(t, d, time.Second, "failed"); !strings.Contains(st.Hint, "transaction.max.timeout.ms") {
		t.Errorf("%+v", st)
	}
	exit, problems := validate(t, config)
	if exit != 3 || len(problems) != 1 || problems[0].Code != "transaction_timeout" {
		t.Errorf("validate ends with %d and finds %+v", exit, problems)
	}
}
