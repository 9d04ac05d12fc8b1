package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Names of listeners. Plaintext is always there; the brokers speak with each other over it.
const (
	Plaintext = "PLAINTEXT"
	SASL      = "SASL"    // SASL_PLAINTEXT: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	SASLSSL   = "SASLSSL" // the same over TLS
	MTLS      = "MTLS"    // TLS with a client certificate
	Proxied   = "PROXIED" // plaintext, advertised at the address of a Proxy
)

// KafkaOptions says what cluster to start. The zero value is one Kafka 4.4 broker. Topics are never made by themselves.
type KafkaOptions struct {
	Version            string            // "44" (default) or "39"
	Brokers            int               // 1 (default) or 3: replication 3, min ISR 2. Each is a controller too.
	TransactionVersion string            // "0", "1" or "2"; "": what the version takes by itself (4.4: 2)
	Extra              map[string]string // broker properties, which win over ours
	Ports              []int             // of the Plaintext listener, one a broker; nil: free ones
	Dir                string            // where to run, kept after Stop and used again as it is; "": a private one, removed by Stop
	Heap               string            // of one broker, "160m" by default; a benchmark may want more
	Java               string            // further options of the virtual machine
	Proxied            bool              // adds the Proxied listener with one Proxy a broker
	Security           *KafkaSecurity    // adds the SASL, SASLSSL and MTLS listeners
}

// KafkaSecurity says who may do what on the secure listeners.
type KafkaSecurity struct {
	Users      map[string]string // name → password, for every mechanism
	Authorizer bool              // deny what no ACL allows, but to super users and to everybody on plaintext listeners
	SuperUsers []string          // principals without "User:": "alice", "CN=client"
}

// Kafka is a running cluster.
type Kafka struct {
	options KafkaOptions
	home    string
	dir     *runDir
	ca      *CA // with Security
	nodes   []*node
}

// node is one broker and controller. Its node id is its index plus 1.
type node struct {
	id    int
	dir   string
	ports map[string]int // by listener
	proxy *Proxy         // with Proxied

	mu   sync.Mutex // guards proc
	proc *process
}

const controller = "CONTROLLER"

// StartKafka installs the version when it is missing, starts a cluster and returns when every broker answers a Metadata
// request that lists them all and a transaction coordinator is ready.
func StartKafka(ctx context.Context, o KafkaOptions) (_ *Kafka, err error) {
	if o.Version == "" {
		o.Version = "44"
	}
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	item := "kafka" + o.Version
	switch {
	case item != Kafka44 && item != Kafka39:
		return nil, fmt.Errorf("starting Kafka: no version %q, choose 44 or 39", o.Version)
	case o.Brokers != 1 && o.Brokers != 3:
		return nil, fmt.Errorf("starting Kafka: %d brokers, choose 1 or 3", o.Brokers)
	case o.Ports != nil && len(o.Ports) != o.Brokers:
		return nil, fmt.Errorf("starting Kafka: %d ports for %d brokers", len(o.Ports), o.Brokers)
	}
	if err := ensure(ctx, item); err != nil {
		return nil, err
	}
	k := &Kafka{options: o, home: filepath.Join(CacheDir(), item)}
	if k.dir, err = newRunDir(item, o.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Stop())
		}
	}()
	if err := k.prepare(ctx); err != nil {
		return nil, err
	}
	for i := range k.nodes {
		if err := k.launch(i); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for i, n := range k.nodes {
		if err := n.process().until(ctx, func(ctx context.Context) error { return k.answers(ctx, i, len(k.nodes)) }); err != nil {
			return nil, err
		}
	}
	return k, k.nodes[0].process().until(ctx, k.coordinates)
}

// Brokers are the bootstrap addresses of the plaintext listener.
func (k *Kafka) Brokers() []string { return k.Listener(Plaintext) }

// Listener are the bootstrap addresses of a listener; none when the cluster was started without it.
func (k *Kafka) Listener(name string) []string {
	var addrs []string
	for _, n := range k.nodes {
		if port, ok := n.ports[name]; ok {
			if name == Proxied {
				port = n.proxy.Port()
			}
			addrs = append(addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}
	}
	return addrs
}

// Proxy stands in front of broker i for the clients of the Proxied listener; nil without that.
func (k *Kafka) Proxy(i int) *Proxy { return k.nodes[i].proxy }

// CA signed the certificates of the SASLSSL and MTLS listeners, and issues those of clients; nil without Security.
func (k *Kafka) CA() *CA { return k.ca }

// Log is the path of broker i's log.
func (k *Kafka) Log(i int) string { return filepath.Join(k.nodes[i].dir, "log") }

// DataDir is where broker i keeps its partitions, each in a folder TOPIC-NUMBER.
func (k *Kafka) DataDir(i int) string { return k.nodes[i].dataDir() }

// Stop ends all brokers at once and removes their directory, unless the caller chose that one.
func (k *Kafka) Stop() error {
	var errs []error
	for i := range k.nodes {
		errs = append(errs, k.KillBroker(i))
	}
	for _, n := range k.nodes {
		if n.proxy != nil {
			errs = append(errs, n.proxy.Close())
		}
		for _, port := range n.ports {
			errs = append(errs, ReleasePort(port))
		}
	}
	return errors.Join(append(errs, k.dir.remove())...)
}

// KillBroker is kill -9 of broker i, counted from 0.
func (k *Kafka) KillBroker(i int) error { return k.nodes[i].process().kill() }

// StopBroker stops broker i in order: it hands over its partitions first.
func (k *Kafka) StopBroker(ctx context.Context, i int) error {
	return k.nodes[i].process().terminate(ctx, 60*time.Second)
}

// StartBroker starts broker i again after KillBroker or StopBroker and returns when it answers and is in the cluster; its
// replicas may still be catching up then: WaitInSync.
func (k *Kafka) StartBroker(ctx context.Context, i int) error {
	if k.nodes[i].process().alive() {
		return fmt.Errorf("starting broker %d: it runs", i)
	}
	if err := k.launch(i); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return k.nodes[i].process().until(ctx, func(ctx context.Context) error { return k.answers(ctx, i, 1) })
}

// PauseBroker freezes broker i (SIGSTOP): connections stay open and nothing is answered.
func (k *Kafka) PauseBroker(i int) error { return k.nodes[i].process().pause() }

// ContinueBroker undoes PauseBroker.
func (k *Kafka) ContinueBroker(i int) error { return k.nodes[i].process().signal(syscall.SIGCONT) }

// launch starts the process of broker i and does not wait for it.
func (k *Kafka) launch(i int) error {
	n := k.nodes[i]
	heap := k.options.Heap
	if heap == "" {
		heap = "160m"
	}
	proc, err := startProcess(spawn{
		name: fmt.Sprintf("Kafka %s broker %d", k.options.Version, i),
		argv: []string{filepath.Join(k.home, "kafka-run"), "kafka.Kafka", n.propertiesFile()},
		dir:  n.dir, log: k.Log(i), env: []string{"KAFKA_HEAP=-Xms64m -Xmx" + heap, "KAFKA_JAVA_OPTS=" + k.options.Java},
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.proc = proc
	n.mu.Unlock()
	return nil
}

func (n *node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

func (n *node) propertiesFile() string { return filepath.Join(n.dir, "server.properties") }
func (n *node) dataDir() string        { return filepath.Join(n.dir, "data") }
