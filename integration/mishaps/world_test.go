package mishaps

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/browser"
	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// patience is how long a test waits for what must happen. Nothing waits that long where all is well.
var patience = harness.Longer(90*time.Second, 5*time.Minute)

// TestMain lets more tests run at once than there are processors, for most of them wait most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// world is what mishaps happen to. Those that would harm others have servers of their own.
type world struct {
	kafka  *servers.Kafka
	proxy  *servers.KafkaProxy
	adm    *kadm.Client
	cl     *kgo.Client // writes to the partition that a record names
	my     *servers.MySQL
	pg     *servers.Postgres
	chrome browser.Browser
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		kafka: servers.KafkaFor(t, servers.KafkaOptions{
			Proxied: true, Heap: "320m", Security: &servers.KafkaSecurity{Users: map[string]string{"alice": "secret"}, Authorizer: true},
			Extra: map[string]string{"transaction.max.timeout.ms": "60000"},
		}),
		my:     servers.MySQLFor(t, servers.MySQLOptions{Extra: []string{"--binlog-ignore-db=ignored", "--innodb-native-foreign-keys=ON"}}),
		pg:     servers.PostgresFor(t, servers.PostgresOptions{TLS: true, Settings: map[string]string{"logical_decoding_work_mem": "64kB"}}),
		chrome: browser.Start(t),
	}
	w.proxy = servers.KafkaProxyFor(t, w.kafka, 0)
	w.adm = harness.AdminFor(t, w.kafka.Brokers())
	var err error
	if w.cl, err = kgo.NewClient(kgo.SeedBrokers(w.kafka.Brokers()...), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cl.Close)
	return w
}

// scene is where one mishap happens: everything in it has the mishap's name.
type scene struct {
	*testing.T
	*world
	name   string // of the pipeline, and of its database
	ending string // on_failure
	last   string // the configuration that was started last
}

// setup is a configuration but for what all have.
type setup struct {
	source   string   // the source section
	pipeline []string // lines of the pipeline: "key: value"
	kafka    string   // further keys of the kafka section, each behind a comma
	brokers  []string // nil: those of the world
}

// yaml writes each key once: lines of the setup win over ours.
func (s *scene) yaml(c setup) string {
	if c.brokers == nil {
		c.brokers = s.kafka.Brokers()
	}
	ours := []string{"snapshot: {mode: never}", "topic: " + s.topic(), "on_failure: " + s.ending}
	if !slices.ContainsFunc(c.pipeline, func(line string) bool { return strings.HasPrefix(line, "outbox:") }) {
		ours = append(ours, "format: plain-json")
	}
	var lines strings.Builder
	for _, line := range append(c.pipeline, ours...) {
		key, _, _ := strings.Cut(line, ":")
		if !strings.Contains("\n"+lines.String(), "\n    "+key+":") {
			fmt.Fprintf(&lines, "    %s\n", line)
		}
	}
	return fmt.Sprintf("log: {level: debug}\nkafka: {brokers: [%s]%s}\npipelines:\n  - name: %s\n    source: {%s}\n%s",
		strings.Join(c.brokers, ", "), c.kafka, s.name, c.source, lines.String())
}

// topic is the one of the pipeline's table.
func (s *scene) topic() string { return s.name + ".t" }

// start runs a daemon, which ends with the test.
func (s *scene) start(c setup) *harness.Daemon {
	s.Helper()
	s.last = s.yaml(c)
	return harness.StartFor(s.T, s.last)
}

// ran has a daemon read that many changes, and stops it.
func (s *scene) ran(c setup, changes uint64) {
	s.Helper()
	d := s.start(c)
	s.read(d, changes)
	harness.StopFor(s.T, d)
}

// read waits until a daemon runs that has committed that many changes.
func (s *scene) read(d *harness.Daemon, changes uint64) {
	s.Helper()
	s.until(func() error {
		now := harness.StateFor(s.T, d, patience, "running", "failed")
		switch {
		case now.State == "failed":
			s.Fatalf("it has given up with %+v", now)
		case now.Counters.Changes < changes:
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
}

// until calls the check until it is content, or fails with what it says last.
func (s *scene) until(check func() error) {
	s.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) || s.Context().Err() != nil {
			s.Fatal(err)
		}
	}
}

// create makes a topic with one replica.
func (s *scene) create(topic string, partitions int32, settings ...string) {
	s.Helper()
	config := map[string]*string{}
	for i := 0; i < len(settings); i += 2 {
		config[settings[i]] = &settings[i+1]
	}
	s.until(func() error { // one that is being deleted is there for a moment yet
		_, err := s.adm.CreateTopic(s.Context(), partitions, 1, config, topic)
		return err
	})
}

// write puts records into a topic.
func (s *scene) write(records ...*kgo.Record) {
	s.Helper()
	s.until(func() error { return s.cl.ProduceSync(s.Context(), records...).FirstErr() })
}
