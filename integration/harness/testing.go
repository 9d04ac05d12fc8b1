package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/servers"
)

// StartFor is Start in a directory of the test; the daemon ends with the test, or could not start and ends it. A failed test
// shows the daemon's log.
func StartFor(tb servers.TB, config string) *Daemon {
	tb.Helper()
	d, err := Start(tb.TempDir(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		d.Kill()
		if tb.Failed() {
			tb.Log("log of the daemon:\n" + d.Log())
		}
	})
	return d
}

// StopFor has the daemon drain and end; one that does not within half a minute, or that says that it failed, ends the test.
func StopFor(tb servers.TB, d *Daemon) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		tb.Fatal(err)
	}
}

// StateFor is WaitState for a test, which ends when the pipeline is in none of the states within the limit.
func StateFor(tb servers.TB, d *Daemon, limit time.Duration, states ...string) PipelineStatus {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	s, err := d.WaitState(ctx, states...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// ReconfigureFor is Reconfigure for a test, which ends when the reload takes longer than a minute.
func ReconfigureFor(tb servers.TB, d *Daemon, config string) Reload {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	r, err := d.Reconfigure(ctx, config)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// AdminFor is a client for what is not rows: topics, groups, rights. It knows soon of what is new, and is closed with the test.
func AdminFor(tb servers.TB, brokers []string) *kadm.Client {
	tb.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

// FreshSeed is a new seed, or that of CDCBRIDGE_SEED to repeat a workload. The test's log tells it.
func FreshSeed(tb servers.TB) uint64 {
	tb.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("CDCBRIDGE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Log(fmt.Sprintf("seed %d", seed))
	return seed
}
