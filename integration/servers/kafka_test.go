package servers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestKafkaTransactions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, transactionVersion string
		want                        int16 // finalized transaction.version
	}{{"44", "", 2}, {"44", "0", 0}, {"39", "", 0}} {
		t.Run(c.version+"/"+c.transactionVersion, func(t *testing.T) {
			k := KafkaFor(t, KafkaOptions{Version: c.version, TransactionVersion: c.transactionVersion, Extra: map[string]string{"num.partitions": "5"}})
			if got := transactionVersion(t, k); got != c.want {
				t.Errorf("transaction.version is %d, want %d", got, c.want)
			}
			createTopic(t, k, "rows")
			p := producer(t, k, "tx")
			transact(t, p, "rows", kgo.TryCommit, "a", "b")
			transact(t, p, "rows", kgo.TryAbort, "lost")
			transact(t, p, "rows", kgo.TryCommit, "c")
			if got, want := readCommitted(t, k, "rows", 3), []string{"a", "b", "c"}; !slices.Equal(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}
			if _, err := kgoClient(t, k.Brokers(), kgo.AllowAutoTopicCreation()).ProduceSync(t.Context(), &kgo.Record{Topic: "other"}).First(); err == nil {
				t.Error("a topic was made by itself")
			}
		})
	}
}

func TestKafkaThreeBrokersLoseOne(t *testing.T) {
	t.Parallel()
	k := KafkaFor(t, KafkaOptions{Brokers: 3})
	if n := len(k.Brokers()); n != 3 {
		t.Fatalf("%d brokers, want 3", n)
	}
	createTopic(t, k, "rows")
	p := producer(t, k, "tx")
	var want []string
	commit := func(value string) {
		t.Helper()
		transact(t, p, "rows", kgo.TryCommit, value)
		want = append(want, value)
	}
	commit("before")
	if err := k.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.KillBroker(1); err != nil {
		t.Fatal(err)
	}
	commit("one killed")
	if err := k.inSync(t.Context()); err == nil {
		t.Error("a cluster with a dead broker is called in sync")
	}
	if err := k.StartBroker(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := k.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.StopBroker(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	commit("one stopped")
	if err := k.StartBroker(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := k.WaitInSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := readCommitted(t, k, "rows", len(want)); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestKafkaKeepsTheCallersDirectory(t *testing.T) {
	t.Parallel()
	dir := callersDir(t)
	k, err := StartKafka(t.Context(), KafkaOptions{Dir: dir})
	must(t, err)
	createTopic(t, k, "rows")
	transact(t, producer(t, k, "tx"), "rows", kgo.TryCommit, "kept")
	must(t, k.StopBroker(t.Context(), 0)) // after a kill the next start would wait until the cluster has given this one up
	must(t, k.Stop())
	k = KafkaFor(t, KafkaOptions{Dir: dir})
	if got := readCommitted(t, k, "rows", 1); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("read %v, want what was written before", got)
	}
}

func TestKafkaPauses(t *testing.T) {
	t.Parallel()
	k := KafkaFor(t, KafkaOptions{})
	cl := kgoClient(t, k.Brokers())
	ask := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := metadata(ctx, cl)
		return err
	}
	if err := ask(5 * time.Second); err != nil { // opens the connection: franz-go does not heed the context while it does that
		t.Fatal(err)
	}
	if err := k.PauseBroker(0); err != nil {
		t.Fatal(err)
	}
	if err := ask(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen broker answered: %v", err)
	}
	if err := k.ContinueBroker(0); err != nil {
		t.Fatal(err)
	}
	if err := ask(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestKafkaProxied(t *testing.T) {
	t.Parallel()
	k := KafkaFor(t, KafkaOptions{Proxied: true})
	cl := kgoClient(t, k.Listener(Proxied))
	if err := cl.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	meta, err := metadata(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int(meta.Brokers[0].Port), k.Proxy(0).Port(); got != want {
		t.Errorf("the broker advertises port %d, the proxy has %d", got, want)
	}
	k.Proxy(0).Down()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := cl.Ping(ctx); err == nil {
		t.Error("a broker behind a proxy that is down answered")
	}
}

func TestKafkaLogins(t *testing.T) {
	t.Parallel()
	k := KafkaFor(t, KafkaOptions{Security: &KafkaSecurity{Users: map[string]string{"alice": "secret", "bob": "hidden"}, Authorizer: true, SuperUsers: []string{"alice", "CN=client"}}})
	createTopic(t, k, "rows")
	trusting, err := k.CA().ClientTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := k.CA().Issue("client")
	if err != nil {
		t.Fatal(err)
	}
	withCert, err := k.CA().ClientTLS(&pair)
	if err != nil {
		t.Fatal(err)
	}
	strangerCA, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := strangerCA.ClientTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		listener string
		opts     []kgo.Opt
		ok       bool
	}{
		"mTLS":                     {MTLS, []kgo.Opt{kgo.DialTLSConfig(withCert)}, true},
		"mTLS without certificate": {MTLS, []kgo.Opt{kgo.DialTLSConfig(trusting)}, false},
		"unknown CA":               {SASLSSL, []kgo.Opt{kgo.DialTLSConfig(stranger), kgo.SASL(login("PLAIN", "alice", "secret"))}, false},
	} {
		t.Run(name, func(t *testing.T) { checkLogin(t, k.Listener(c.listener), c.ok, c.opts...) })
	}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			checkLogin(t, k.Listener(SASL), true, kgo.SASL(login(mechanism, "alice", "secret")))
			checkLogin(t, k.Listener(SASLSSL), true, kgo.DialTLSConfig(trusting), kgo.SASL(login(mechanism, "alice", "secret")))
			checkLogin(t, k.Listener(SASL), false, kgo.SASL(login(mechanism, "alice", "wrong")))
		})
	}
	bob := kgoClient(t, k.Listener(SASL), kgo.SASL(login("PLAIN", "bob", "hidden")))
	if err := bob.ProduceSync(t.Context(), &kgo.Record{Topic: "rows"}).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("somebody without an ACL produced: %v", err)
	}
}

func login(mechanism, user, password string) sasl.Mechanism {
	switch mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	}
}

// checkLogin produces one record, which needs a login and, as bob shows, more.
func checkLogin(t *testing.T, addrs []string, ok bool, opts ...kgo.Opt) {
	t.Helper()
	cl := kgoClient(t, addrs, opts...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := cl.Ping(ctx); (err == nil) != ok {
		t.Fatalf("logging in: %v, want success: %v", err, ok)
	}
	if !ok {
		return
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "rows", Value: []byte("x")}).FirstErr(); err != nil {
		t.Error(err)
	}
}

func TestKafkaSaysWhyItDoesNotStart(t *testing.T) {
	if _, err := StartKafka(t.Context(), KafkaOptions{Extra: map[string]string{"num.network.threads": "many"}}); err == nil {
		t.Error("a broker with a wrong configuration started")
	} else if want := "num.network.threads"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want the broker's own words with %q", err, want)
	}
}

func kgoClient(t *testing.T, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(100 * time.Millisecond), kgo.RecordDeliveryTimeout(30 * time.Second)}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func producer(t *testing.T, k *Kafka, id string) *kgo.Client {
	t.Helper()
	return kgoClient(t, k.Brokers(), kgo.TransactionalID(id), kgo.TransactionTimeout(30*time.Second))
}

func createTopic(t *testing.T, k *Kafka, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	resp, err := kadm.NewClient(kgoClient(t, k.Brokers())).CreateTopic(ctx, 1, -1, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Err != nil {
		t.Fatal(resp.Err)
	}
}

func transact(t *testing.T, p *kgo.Client, topic string, end kgo.TransactionEndTry, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := p.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.EndTransaction(ctx, end); err != nil {
		t.Fatal(err)
	}
}

// readCommitted returns the values that a reader of committed records finds: n of them, and what comes within a moment more.
func readCommitted(t *testing.T, k *Kafka, topic string, n int) []string {
	t.Helper()
	cl := kgoClient(t, k.Brokers(), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	var values []string
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return values
		}
		for _, e := range fetches.Errors() {
			t.Fatal(e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
		if len(values) >= n {
			late, cancelLate := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancelLate()
			ctx = late
		}
	}
}

// transactionVersion is what the cluster has finalized, 0 when it knows no such feature.
func transactionVersion(t *testing.T, k *Kafka) int16 {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
	resp, err := req.RequestWith(t.Context(), kgoClient(t, k.Brokers()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel
		}
	}
	return 0
}
