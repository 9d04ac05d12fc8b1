package endtoend

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// ends checks that the daemon ends within limit and with that exit code.
func ends(t *testing.T, d *harness.Daemon, limit time.Duration, code int) {
	t.Helper()
	select {
	case <-d.Exited():
		if got := d.ExitCode(); got != code {
			t.Errorf("exit code %d, want %d", got, code)
		}
	case <-time.After(limit):
		t.Fatalf("the daemon still runs after %s", limit)
	}
}

func terminate(t *testing.T, d *harness.Daemon) {
	t.Helper()
	if err := d.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// TestStop stops daemons under load, gently and less gently. Whatever the way, the next one goes on exactly where the last one
// has committed.
func TestStop(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Proxied: true})
	proxy := servers.KafkaProxyFor(t, kafka, 0)
	b := newBench(t, servers.MySQLFor(t, servers.MySQLOptions{}), "shop")
	config := setup{name: "stop", b: b, brokers: kafka.Listener(servers.Proxied)}.yaml()
	seed := harness.FreshSeed(t)
	r := rand.New(rand.NewPCG(seed, 3))
	quiet := b.during(t, seed)
	defer quiet()

	t.Run("drained", func(t *testing.T) {
		for range harness.Longer(4, 20) {
			d := start(t, config)
			harness.StateFor(t, d, 30*time.Second, "running")
			time.Sleep(time.Duration(r.IntN(1200)) * time.Millisecond)
			terminate(t, d)
			ends(t, d, 40*time.Second, 0)
			if !strings.Contains(d.Log(), "daemon stopped") {
				t.Error("the log does not say that the daemon has stopped")
			}
			if state, err := harness.TransactionState(t.Context(), kafka.Brokers(), "cdcbridge-stop"); err != nil || state == "Ongoing" || state == "PrepareAbort" || state == "CompleteAbort" {
				t.Errorf("the last transaction is %s, %v", state, err)
			}
		}
	})
	// The commit of the drain gets no answer. It reaches the broker when the daemon has gone, or when the next one runs.
	for _, c := range []struct {
		name   string
		more   string // of the configuration
		twice  bool
		before bool
	}{
		{name: "second signal, committed", twice: true, before: true},
		{name: "second signal, not committed", twice: true},
		{name: "out of time", more: "\nshutdown_timeout: 1s", before: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			d := start(t, config+c.more)
			harness.StateFor(t, d, 30*time.Second, "running")
			held := proxy.Begin(servers.KafkaRule{Key: kmsg.EndTxn, Fate: servers.WithholdSilently, Match: ofCommit})
			defer held.End()
			if err := held.Wait(ctx, 1); err != nil {
				t.Fatal(err)
			}
			terminate(t, d)
			if c.twice {
				harness.StateFor(t, d, 10*time.Second, "stopping")
				if code, _, err := d.Get(ctx, "/readyz"); err != nil || code != 503 {
					t.Errorf("/readyz of a stopping daemon answers %d, %v", code, err)
				}
				terminate(t, d)
			}
			ends(t, d, 15*time.Second, 1)
			held.End()
			arrive := func(want bool) {
				t.Helper()
				answers, err := held.Release(ctx)
				if err != nil || len(answers) == 0 {
					t.Fatalf("%d requests arrive late: %v", len(answers), err)
				}
				if code := codesOf(answers[0])[0]; (code == 0) != want {
					t.Errorf("the late commit is answered %v", kerr.ErrorForCode(code))
				}
			}
			if c.before {
				arrive(true)
			}
			next := start(t, config)
			harness.StateFor(t, next, 30*time.Second, "running")
			if !c.before {
				arrive(false)
			}
			waitAnswers(ctx, t, proxy, kmsg.EndTxn, proxy.Answered(kmsg.EndTxn)+2)
			terminate(t, next)
			ends(t, next, 40*time.Second, 0)
		})
	}
	t.Run("before it runs", func(t *testing.T) {
		kafka.Proxy(0).Down()
		d := start(t, config)
		harness.StateFor(t, d, 30*time.Second, "retrying")
		terminate(t, d)
		ends(t, d, 15*time.Second, 0)
		if err := kafka.Proxy(0).Up(); err != nil {
			t.Fatal(err)
		}
	})
	d := start(t, config)
	quiet()
	b.settle(t, "stop", kafka.Brokers(), 60*time.Second)
	harness.StopFor(t, d)
	b.settle(t, "stop", kafka.Brokers(), 0)
	b.complete(t, "stop", kafka.Brokers())
}

// TestReadiness follows /readyz and /healthz from a start without Kafka to the end of a pipeline.
func TestReadiness(t *testing.T) {
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Proxied: true})
	b := newBench(t, servers.MySQLFor(t, servers.MySQLOptions{}), "shop")
	ready := func(d *harness.Daemon, want bool, state, reason string) {
		t.Helper()
		code, body, err := d.Get(t.Context(), "/readyz")
		var doc struct {
			Ready   bool `json:"ready"`
			Reasons []struct {
				State  string `json:"state"`
				Code   string `json:"code"`
				Reason string `json:"reason"`
				Hint   string `json:"hint"`
			} `json:"reasons"`
		}
		if err == nil {
			err = json.Unmarshal(body, &doc)
		}
		switch {
		case err != nil || doc.Ready != want || doc.Ready != (code == 200) || !doc.Ready && code != 503:
			t.Errorf("/readyz answers %d, %v: %s", code, err, body)
		case want && len(doc.Reasons) > 0, !want && (len(doc.Reasons) != 1 || doc.Reasons[0].State != state || doc.Reasons[0].Code != reason || doc.Reasons[0].Hint == ""):
			t.Errorf("/readyz gives the reasons %s", body)
		}
		if code, _, err := d.Get(t.Context(), "/healthz"); err != nil || code != 200 {
			t.Errorf("/healthz answers %d, %v", code, err)
		}
	}
	kafka.Proxy(0).Down()
	d := start(t, setup{name: "ready", b: b, brokers: kafka.Listener(servers.Proxied), table: "names"}.yaml())
	harness.StateFor(t, d, 30*time.Second, "retrying")
	ready(d, false, "retrying", "unreachable")
	if err := kafka.Proxy(0).Up(); err != nil {
		t.Fatal(err)
	}
	harness.StateFor(t, d, 30*time.Second, "running")
	ready(d, true, "", "")
	b.exec(t, "INSERT INTO shop.names VALUES ('a', 1)")
	waitRecords(t, kafka.Brokers(), "ready.can.names", 1)
	ready(d, true, "", "")
	b.exec(t, "TRUNCATE TABLE shop.names")
	waitFailed(t, d, 30*time.Second, "diverged")
	ready(d, false, "failed", "diverged")
	terminate(t, d)
	ends(t, d, 15*time.Second, 0)
}
