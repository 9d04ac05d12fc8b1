package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Canal is a running Alibaba Canal that reads one MySQL server and writes flat messages, all to one topic: see canalserver/CanalServer.java.
type Canal struct {
	dir  *runDir
	proc *process
}

// CanalOptions say what is read and where it is written.
type CanalOptions struct {
	File   string // of the log of MySQL, where reading begins; Canal asks servers in a way that MySQL 9 does not know any more
	Offset uint64 // in the file
	GTID   string // instead: the set that is done when reading begins. Messages say the set that is done with them, then
	Tables string // expression for the tables, as database\.table
	Topic  string // made when it is not there

	// Partitions are those of the topic. With more than one, rows go where the hash of their primary key says, as Canal's partitionHash does it: of
	// an update, the new row's. 0 is one.
	Partitions int32
}

// canals counts those that were started: servers end the connection of a replica when another one comes with its number.
var canals atomic.Int32

// StartCanal installs Canal when it is missing and starts it. It reads from the position on, so that nothing is lost before it does; Check says whether it
// stands. How far it is it keeps in a file, every ten seconds: see Restart.
func StartCanal(ctx context.Context, my *MySQL, kafka *Kafka, o CanalOptions) (_ *Canal, err error) {
	if err := ensure(ctx, Canal117); err != nil {
		return nil, err
	}
	c := &Canal{}
	if c.dir, err = newRunDir(Canal117, ""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	o.Partitions = max(o.Partitions, 1)
	if err := makeTopic(ctx, kafka, o.Topic, o.Partitions); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.properties(), canalProperties(my, kafka, c.dir.path, o), 0o644); err != nil {
		return nil, fmt.Errorf("writing the configuration of Canal: %w", err)
	}
	return c, c.launch()
}

func (c *Canal) properties() string { return filepath.Join(c.dir.path, "canal.properties") }

func (c *Canal) launch() (err error) {
	c.proc, err = startProcess(spawn{
		name: "Canal", argv: []string{filepath.Join(CacheDir(), Canal117, "canal-run"), c.properties()}, dir: c.dir.path, log: c.Log(),
	})
	return err
}

// Restart ends Canal with SIGKILL and starts it again. It goes on where its file says, so that what it wrote since comes once more, and its batches
// are counted from 1 again.
func (c *Canal) Restart() error {
	if err := c.proc.kill(); err != nil {
		return err
	}
	return c.launch()
}

// makeTopic makes a topic, for the cluster makes none by itself.
func makeTopic(ctx context.Context, kafka *Kafka, name string, partitions int32) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...))
	if err != nil {
		return fmt.Errorf("connecting to Kafka: %w", err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, -1, nil, name); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("making the topic %s: %w", name, err)
	}
	return nil
}

func canalProperties(my *MySQL, kafka *Kafka, dir string, o CanalOptions) []byte {
	var b bytes.Buffer
	for _, p := range [][2]string{
		{"mysql.host", my.Host()}, {"mysql.port", strconv.Itoa(my.Port())}, {"mysql.user", my.User()}, {"mysql.password", my.Password()},
		{"mysql.server_id", strconv.Itoa(98117 + int(canals.Add(1)))}, {"mysql.file", o.File}, {"mysql.offset", strconv.FormatUint(o.Offset, 10)}, {"mysql.gtid", o.GTID},
		{"filter", o.Tables}, {"topic", o.Topic}, {"partitions", strconv.Itoa(int(o.Partitions))}, {"dir", dir},
		{"canal.mq.flatMessage", "true"}, {"canal.mq.canalBatchSize", "50"}, {"canal.mq.canalGetTimeout", "100"},
		{"kafka.bootstrap.servers", strings.Join(kafka.Brokers(), ",")}, {"kafka.acks", "all"},
	} {
		fmt.Fprintf(&b, "%s=%s\n", p[0], strings.ReplaceAll(p[1], `\`, `\\`))
	}
	return b.Bytes()
}

// Log is the path of Canal's log, which has problems alone.
func (c *Canal) Log() string { return filepath.Join(c.dir.path, "log") }

// Check is an error, with what Canal says, when it has ended or met something that it cannot pass: it tries again for ever then.
func (c *Canal) Check() error {
	log, err := os.ReadFile(c.Log())
	if err != nil {
		return fmt.Errorf("reading the log of Canal: %w", err)
	}
	if _, problem, ok := bytes.Cut(log, []byte(" ERROR ")); ok {
		return fmt.Errorf("no way on for Canal: %.2000s", problem)
	}
	if !c.proc.alive() {
		return errors.New("the end of Canal" + logTail(c.Log()))
	}
	return nil
}

// Stop ends Canal at once and removes its directory.
func (c *Canal) Stop() error { return errors.Join(c.proc.kill(), c.dir.remove()) }
