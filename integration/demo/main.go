// Command demo shows cdcbridge at work: it starts a database and a Kafka broker, makes a small shop, runs the daemon on it,
// writes orders and prints every change as it arrives in the topics. In the end it proves that the topics hold what the
// tables hold, and ends with 0, or with 1 when they do not.
//
//	bin/demo [-for 15s | -forever] [-source postgres|mysql] [-broker embedded|kafka]
//
// By default it needs nothing but Go: the source is a PostgreSQL that is downloaded once, the broker is in this process.
// With -source mysql both are what the tests run, MySQL and Apache Kafka, which provision.sh has installed.
//
//	main.go   the order of events            stand.go   what a database and a broker are to it
//	shop.go   workload                       postgres.go, keeper.go, account.go   embedded PostgreSQL
//	watch.go  prints changes as they come    mysql.go, broker.go   the others
//	proof.go  topics against tables
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"cdcbridge/integration/harness"
)

// interrupted is the exit code of a demo that was ended before it had something to prove: what a shell gives for Ctrl-C.
const interrupted = 130

func main() {
	if len(os.Args) > 1 && os.Args[1] == keeperArg {
		os.Exit(keeperMain(os.Args[2:]))
	}
	var o options
	flag.DurationVar(&o.length, "for", 15*time.Second, "how long to write")
	forever := flag.Bool("forever", false, "write until interrupted, so that you can look around")
	flag.StringVar(&o.source, "source", "postgres", "the database: postgres or mysql")
	flag.StringVar(&o.broker, "broker", "", "the broker: embedded (default with postgres) or kafka (default with mysql)")
	flag.Parse()
	if *forever {
		o.length = 0
	}
	var ends ending
	defer ends.listen()()
	err := run(ends, o)
	switch {
	case err == nil:
	case ends.soft.Err() != nil && errors.Is(err, context.Canceled):
		say("Interrupted.")
		os.Exit(interrupted)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type options struct {
	length         time.Duration // of the writing; 0: until interrupted
	source, broker string
}

// ending is how a person ends the demo. The first signal cancels soft, which ends the start or the writing; the proof is
// given all the same. The second cancels hard, which ends everything but the clearing away.
type ending struct{ soft, hard context.Context }

// listen begins to take signals, until the returned function is called.
func (e *ending) listen() (stop func()) {
	var once, twice context.CancelFunc
	e.hard, twice = context.WithCancel(context.Background())
	e.soft, once = context.WithCancel(e.hard)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, cancel := range []func(){once, twice} {
			if _, ok := <-signals; !ok {
				return
			}
			cancel()
		}
	}()
	return func() { signal.Stop(signals); close(signals); <-done; once(); twice() }
}

// run is the whole demo.
func run(ends ending, o options) (err error) {
	if _, err := harness.Binary(); err != nil { // the daemon, built if it is not yet
		return errors.Join(ends.soft.Err(), err) // Ctrl-C reaches the compiler too
	}
	stand, err := start(ends.soft, o.source, o.broker)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stand.Stop()) }()
	say("%s are running, in private directories and on free ports.", stand.Name())
	shop, err := openShop(ends.soft, stand)
	if err != nil {
		return err
	}
	defer shop.close()

	dir, err := os.MkdirTemp("", "cdcbridge-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is in the temporary directory
	config := stand.configuration()
	say("The whole configuration:\n%s", indent(4, config))
	d, err := harness.Start(dir, config)
	if err != nil {
		return err
	}
	defer d.Kill()
	starting, cancel := context.WithTimeout(ends.soft, time.Minute)
	defer cancel()
	if s, err := d.WaitState(starting, "running", "failed"); err != nil {
		return err
	} else if s.State != "running" {
		return fmt.Errorf("cdcbridge does not run: %s: %s (%s)", s.Code, s.Error, s.Hint)
	}
	tellHow(d, stand, o.length)
	err = show(ends, shop, stand.Brokers(), o.length)
	return errors.Join(err, finish(d, err))
}

// show writes and prints until the time is over, then proves the result.
func show(ends ending, shop *shop, brokers []string, length time.Duration) error {
	w, err := newWatcher(brokers, shop.speak.transaction)
	if err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ends.hard)
	watched := make(chan error, 1)
	go func() { watched <- w.run(watching) }()

	// With the first rows all topics are known, and the times that follow are those of a running pipeline.
	total, err := shop.fill(ends.hard)
	if err == nil {
		err = w.await(ends.hard, total)
	}
	if err == nil {
		total, err = business(ends, shop, brokers, length)
	}
	if err == nil {
		err = w.await(ends.hard, total)
	}
	stopWatching()
	if err := errors.Join(err, <-watched); err != nil {
		return err
	}
	w.summary(shop.committed)
	return nil
}

// business writes until the time is over, proves that the topics equal the tables, and returns how many records those have.
func business(ends ending, shop *shop, brokers []string, length time.Duration) (int, error) {
	writing, cancel := context.WithCancel(ends.soft)
	defer cancel()
	if length > 0 {
		writing, cancel = context.WithTimeout(ends.soft, length)
		defer cancel()
	}
	if err := shop.write(writing); err != nil {
		return 0, fmt.Errorf("writing to the shop: %w", err)
	}
	say("Writing has ended. Comparing the topics with the tables …")
	proving, cancel := context.WithTimeout(ends.hard, 30*time.Second)
	defer cancel()
	total, err := shop.prove(proving, brokers)
	if err != nil {
		return 0, fmt.Errorf("the topics differ from the tables: %w", err)
	}
	return total, nil
}

// finish lets the daemon drain. Its log is shown when something went wrong.
func finish(d *harness.Daemon, failed error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if failed != nil && !errors.Is(failed, context.Canceled) {
		fmt.Fprintf(os.Stderr, "--- log of cdcbridge ---\n%s---\n", d.Log())
	}
	return d.Stop(ctx)
}

func tellHow(d *harness.Daemon, stand *stand, length time.Duration) {
	bin, err := harness.Binary()
	if err != nil {
		bin = "bin/cdcbridge"
	}
	until := fmt.Sprintf("This goes on for %s; bin/demo -forever leaves you time for it. Ctrl-C ends it sooner.", length)
	if length == 0 {
		until = "Ctrl-C ends it."
	}
	say(`To look at it yourself meanwhile:
    %[1]s inspect --config %[2]s --from earliest demo.shop.orders
    %[1]s status --config %[2]s
    curl -s http://%[3]s/status ;  curl -s http://%[3]s/metrics
    %[4]s      and write to the tables
    any Kafka client at %[5]s, isolation.level=read_committed
%[6]s

  + insert   ~ update   - delete   x tombstone, by which compaction forgets the key
`, bin, d.Config(), d.HTTP(), stand.Login(), strings.Join(stand.Brokers(), ","), until)
}

// say prints a paragraph about the demo itself.
func say(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }
