// Command demo shows cdcbridge at work: it starts a MySQL server and a Kafka broker, makes a small shop, runs the daemon
// on it, writes orders and prints every change as it arrives in the topics. In the end it proves that the topics hold what
// the tables hold, and ends with 0, or with 1 when they do not.
//
//	go run ./demo [-for 20s | -forever]
//
//	main.go   the order of events          shop.go    schema and workload
//	watch.go  prints changes as they come  proof.go   topics against tables
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
	"cdcbridge/integration/servers"
)

func main() {
	length := flag.Duration("for", 20*time.Second, "how long to write")
	forever := flag.Bool("forever", false, "write until interrupted, so that you can look around")
	flag.Parse()
	if *forever {
		*length = 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *length); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the whole demo. Interrupting it ends the writing; what comes after is done in any case.
func run(interrupted context.Context, length time.Duration) (err error) {
	ctx := context.WithoutCancel(interrupted)
	if _, err := harness.Binary(); err != nil { // the daemon, built if it is not yet
		return err
	}
	say("Starting MySQL 9.x and Apache Kafka 4.4 on this machine (private directories, free ports) …")
	my, kafka, err := startServers(ctx)
	defer func() {
		if my != nil {
			err = errors.Join(err, my.Stop())
		}
		if kafka != nil {
			err = errors.Join(err, kafka.Stop())
		}
	}()
	if err != nil {
		return err
	}
	if interrupted.Err() != nil {
		return interrupted.Err()
	}
	shop, err := openShop(ctx, my)
	if err != nil {
		return err
	}
	defer shop.close()

	dir, err := os.MkdirTemp("", "cdcbridge-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is in the temporary directory
	config := configuration(my, kafka)
	say("The whole configuration:\n%s", indent(config))
	d, err := harness.Start(dir, config)
	if err != nil {
		return err
	}
	defer d.Kill()
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := d.WaitState(starting, "running"); err != nil {
		return err
	}
	tellHow(d, my, kafka, length)
	err = show(interrupted, shop, kafka, length)
	return errors.Join(err, finish(ctx, d, err))
}

func startServers(ctx context.Context) (*servers.MySQL, *servers.Kafka, error) {
	type started struct {
		kafka *servers.Kafka
		err   error
	}
	done := make(chan started, 1)
	go func() {
		k, err := servers.StartKafka(ctx, servers.KafkaOptions{})
		done <- started{k, err}
	}()
	my, err := servers.StartMySQL(ctx, servers.MySQLOptions{})
	k := <-done
	return my, k.kafka, errors.Join(err, k.err)
}

func configuration(my *servers.MySQL, kafka *servers.Kafka) string {
	return fmt.Sprintf(`kafka:
  brokers: [%s]
  topics: {partitions: 3}
pipelines:
  - name: demo
    source:
      type: mysql
      host: %s
      port: %d
      user: %s
      password: %s
      tables: ["shop.*"]
    format: debezium-json
    preset: flink   # decimals as text, ISO times without zone, base64: what Flink SQL reads without a function
`, strings.Join(kafka.Brokers(), ", "), my.Host(), my.Port(), my.User(), my.Password())
}

// show writes and prints until the time is over, then proves the result.
func show(interrupted context.Context, shop *shop, kafka *servers.Kafka, length time.Duration) error {
	ctx := context.WithoutCancel(interrupted)
	w, err := newWatcher(kafka.Brokers())
	if err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- w.run(watching) }()

	// What was there before: with it all topics are known, and the times that follow are those of a running pipeline.
	total, err := 0, w.await(ctx, shop.stock)
	if err == nil {
		total, err = business(interrupted, shop, kafka, length)
	}
	if err == nil {
		err = w.await(ctx, total)
	}
	stopWatching()
	if err := errors.Join(err, <-watched); err != nil {
		return err
	}
	w.summary(shop.committed)
	return nil
}

// business writes until the time is over, proves that the topics equal the tables, and returns how many records those have.
func business(interrupted context.Context, shop *shop, kafka *servers.Kafka, length time.Duration) (int, error) {
	writing, cancel := context.WithCancel(interrupted)
	defer cancel()
	if length > 0 {
		writing, cancel = context.WithTimeout(interrupted, length)
		defer cancel()
	}
	if err := shop.write(writing); err != nil {
		return 0, fmt.Errorf("writing to the shop: %w", err)
	}
	say("Writing has ended. Comparing the topics with the tables …")
	proving, cancel := context.WithTimeout(context.WithoutCancel(interrupted), 30*time.Second)
	defer cancel()
	total, err := shop.prove(proving, kafka.Brokers())
	if err != nil {
		return 0, fmt.Errorf("the topics differ from the tables: %w", err)
	}
	return total, nil
}

// finish lets the daemon drain. Its log is shown when something went wrong.
func finish(ctx context.Context, d *harness.Daemon, failed error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if failed != nil {
		fmt.Fprintf(os.Stderr, "--- log of cdcbridge ---\n%s---\n", d.Log())
	}
	return d.Stop(ctx)
}

func tellHow(d *harness.Daemon, my *servers.MySQL, kafka *servers.Kafka, length time.Duration) {
	bin, err := harness.Binary()
	if err != nil {
		bin = "bin/cdcbridge"
	}
	until := fmt.Sprintf("This goes on for %s; -forever leaves you time for it.", length)
	if length == 0 {
		until = "Ctrl-C ends it."
	}
	say(`To look at it yourself meanwhile:
    %[1]s inspect --config %[2]s --from earliest demo.shop.orders
    %[1]s status --config %[2]s
    curl -s http://%[3]s/status ;  curl -s http://%[3]s/metrics
    mysql -h %[4]s -P %[5]d -u %[6]s -p%[7]s shop      and write to the tables
    any Kafka client at %[8]s, isolation.level=read_committed
%[9]s

  + insert   ~ update   - delete   x tombstone, by which compaction forgets the key
`, bin, d.Config(), d.HTTP(), my.Host(), my.Port(), my.User(), my.Password(), strings.Join(kafka.Brokers(), ","), until)
}

// say prints a paragraph about the demo itself.
func say(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
