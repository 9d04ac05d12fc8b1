package kafkasource

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// env is one cluster, which the tests of the package share.
type env struct {
	kafka   *servers.Kafka
	brokers []string
	cl      *kgo.Client // writes to the partition that a record names
	adm     *kadm.Client
}

// stand starts its cluster when the first test wants it.
type stand struct {
	options servers.KafkaOptions
	once    sync.Once
	env     *env
	err     error
}

var (
	// modern has the transactions of KIP-890 and ACLs, which the tests that connect without a login do not feel.
	modern  = stand{options: servers.KafkaOptions{Heap: "320m", Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}, Authorizer: true}}}
	classic = stand{options: older()}
	three   = stand{options: servers.KafkaOptions{Brokers: 3}}
)

// older is a cluster without KIP-890: a new one that was told so, and in the long tier one that is as old as we read.
func older() servers.KafkaOptions {
	if harness.Long {
		return servers.KafkaOptions{Version: "39"}
	}
	return servers.KafkaOptions{TransactionVersion: "0"}
}

func (s *stand) get(t *testing.T) *env {
	t.Helper()
	s.once.Do(func() { s.env, s.err = newEnv(s.options) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.env
}

func newEnv(o servers.KafkaOptions) (*env, error) {
	k, err := servers.StartKafka(context.Background(), o)
	if err != nil {
		return nil, err
	}
	cl, err := newProducer(k.Brokers())
	if err != nil {
		return nil, err
	}
	return &env{kafka: k, brokers: k.Brokers(), cl: cl, adm: kadm.NewClient(cl)}, nil
}

// newProducer makes a client that writes to the partitions that its records name.
func newProducer(brokers []string, more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(more, kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.UnknownTopicRetries(50))...)
}

// TestMain lets more tests run at once than there are processors, and ends the clusters that they share.
func TestMain(m *testing.M) {
	harness.SideBySide(6)
	code := m.Run()
	for _, s := range []*stand{&modern, &classic, &three} {
		if s.env == nil {
			continue
		}
		s.env.cl.Close()
		if err := s.env.kafka.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// patience is how long a test waits for what must happen. Nothing waits that long where all is well.
const patience = 90 * time.Second

// unique is a name that no other test has: of a pipeline, and what its topics begin with.
func unique(t *testing.T) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(t.Name(), "Test"), "/", "-"))
}

// eventually calls the check until it is content, or fails with what it says last.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) || t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}
