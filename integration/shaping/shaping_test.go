package shaping

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4)
	m.Run()
}

// TestTopicsAreTheShapedTable kills the daemon again and again under load, over databases that log whole rows and that do not.
func TestTopicsAreTheShapedTable(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{})
	for _, c := range []struct {
		name string
		open func(t *testing.T) *side
		full bool // the log has whole rows
	}{
		{"mysql", func(t *testing.T) *side { return newMySQL(t, "FULL") }, true},
		{"mysql-minimal", func(t *testing.T) *side { return newMySQL(t, "MINIMAL") }, false},
		{"postgres", func(t *testing.T) *side { return newPostgres(t, false) }, false},
		{"postgres-full", func(t *testing.T) *side { return newPostgres(t, true) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			killed(t, kafka.Brokers(), c.open(t), c.name, c.full)
		})
	}
}

func killed(t *testing.T, brokers []string, s *side, name string, full bool) {
	seed := harness.FreshSeed(t)
	l := &load{s: s, r: rand.New(rand.NewPCG(seed, 1))}
	for range 100 { // what is there before the pipeline is
		if err := l.transaction(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	config, more := s.config(name, brokers, full), []output(nil)
	if !full {
		config, more = config+s.configAgain(name), append(more, s.again())
	}
	if _, out, _ := harness.Command(t, "validate", "-o", "json", "-c", harness.ConfigFile(t, config)); strings.Contains(out, "output ") {
		t.Errorf("validate finds something about the rules:\n%s", out)
	}
	r := rand.New(rand.NewPCG(seed, 2))
	d := harness.StartFor(t, config)
	if full { // changes that meet a snapshot do not meet the rows that they changed
		s.settle(t, brokers, name, time.Minute)
	}
	stop := l.during(t)
	for range harness.Longer(6, 60) {
		time.Sleep(time.Duration(500+r.IntN(1500)) * time.Millisecond)
		select {
		case <-d.Exited():
			t.Fatal("the daemon ended by itself")
		default:
		}
		d.Kill()
		d = harness.StartFor(t, config)
	}
	time.Sleep(time.Second)
	stop()
	s.settle(t, brokers, name, 2*time.Minute, more...)
	harness.StopFor(t, d)
	s.settle(t, brokers, name, 0, more...)
	numbered(t, brokers, name)
	if full {
		s.replayed(t, brokers, name)
	}
	t.Logf("%d transactions", l.committed.Load())
}
