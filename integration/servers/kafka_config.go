package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// protocols says what each listener speaks.
var protocols = map[string]string{
	Plaintext: "PLAINTEXT", controller: "PLAINTEXT", Proxied: "PLAINTEXT", SASL: "SASL_PLAINTEXT", SASLSSL: "SASL_SSL", MTLS: "SSL",
}

// prepare reserves ports, writes configurations and formats the data directories that are not formatted yet.
func (k *Kafka) prepare(ctx context.Context) error {
	for i := range k.options.Brokers {
		n := &node{id: i + 1, dir: filepath.Join(k.dir.path, "broker"+strconv.Itoa(i)), ports: make(map[string]int)}
		k.nodes = append(k.nodes, n)
		if err := os.MkdirAll(n.dir, 0o755); err != nil {
			return fmt.Errorf("making the directory of broker %d: %w", i, err)
		}
		if err := giveToServer(n.dir); err != nil {
			return err
		}
		if err := k.listen(n, i); err != nil {
			return err
		}
	}
	if k.options.Security != nil {
		ca, err := NewCA(k.dir.path)
		if err != nil {
			return err
		}
		if _, err := ca.Issue("broker"); err != nil {
			return err
		}
		k.ca = ca
	}
	for _, n := range k.nodes {
		if err := os.WriteFile(n.propertiesFile(), k.properties(n), 0o644); err != nil {
			return fmt.Errorf("writing the configuration of a broker: %w", err)
		}
	}
	return k.format(ctx)
}

// listen reserves the ports of one node and starts its proxy.
func (k *Kafka) listen(n *node, i int) error {
	names := []string{Plaintext, controller}
	if k.options.Security != nil {
		names = append(names, SASL, SASLSSL, MTLS)
	}
	if k.options.Proxied {
		names = append(names, Proxied)
	}
	for _, name := range names {
		wanted := 0
		if name == Plaintext && k.options.Ports != nil {
			wanted = k.options.Ports[i]
		}
		port, err := ReservePort(wanted)
		if err != nil {
			return err
		}
		n.ports[name] = port
	}
	if k.options.Proxied {
		proxy, err := StartProxy("127.0.0.1:" + strconv.Itoa(n.ports[Proxied]))
		if err != nil {
			return err
		}
		n.proxy = proxy
	}
	return nil
}

// properties is the configuration file of one node.
func (k *Kafka) properties(n *node) []byte {
	p := k.baseProperties(n)
	if len(k.nodes) == 1 {
		maps.Copy(p, map[string]string{
			"default.replication.factor": "1", "min.insync.replicas": "1", "offsets.topic.replication.factor": "1",
			"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
			"share.coordinator.state.topic.replication.factor": "1", "share.coordinator.state.topic.min.isr": "1",
		})
	} else {
		maps.Copy(p, map[string]string{
			"default.replication.factor": "3", "min.insync.replicas": "2", "offsets.topic.replication.factor": "3",
			"transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2",
		})
	}
	if k.options.Security != nil {
		maps.Copy(p, k.securityProperties())
	}
	maps.Copy(p, k.options.Extra)
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, p[key])
	}
	return b.Bytes()
}

func (k *Kafka) baseProperties(n *node) map[string]string {
	var listeners, advertised, protocolMap, voters []string
	for _, name := range slices.Sorted(maps.Keys(n.ports)) {
		port := n.ports[name]
		listeners = append(listeners, fmt.Sprintf("%s://127.0.0.1:%d", name, port))
		if name == Proxied {
			port = n.proxy.Port()
		}
		if name != controller {
			advertised = append(advertised, fmt.Sprintf("%s://127.0.0.1:%d", name, port))
		}
		protocolMap = append(protocolMap, name+":"+protocols[name])
	}
	for _, other := range k.nodes {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", other.id, other.ports[controller]))
	}
	return map[string]string{
		"process.roles": "broker,controller", "node.id": strconv.Itoa(n.id), "log.dirs": n.dataDir(),
		"controller.quorum.voters": strings.Join(voters, ","), "controller.listener.names": controller,
		"listeners": strings.Join(listeners, ","), "advertised.listeners": strings.Join(advertised, ","),
		"listener.security.protocol.map": strings.Join(protocolMap, ","), "inter.broker.listener.name": Plaintext,
		"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0",
		"offsets.topic.num.partitions": "3", "transaction.state.log.num.partitions": "3",
		// How long a broker that was killed is waited for, by the others and by its own next start. 9 s by default.
		"broker.session.timeout.ms": "6000",
		// 128 MiB by default, taken out of a heap that is not much larger.
		"log.cleaner.dedupe.buffer.size": "8388608",
		"log.cleaner.backoff.ms":         "500",
	}
}

func (k *Kafka) securityProperties() map[string]string {
	s := k.options.Security
	plain := "org.apache.kafka.common.security.plain.PlainLoginModule required"
	for _, name := range slices.Sorted(maps.Keys(s.Users)) {
		plain += fmt.Sprintf(" user_%s=%q", name, s.Users[name])
	}
	scram := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	p := map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": k.ca.pair("broker").Both,
		"ssl.truststore.type": "PEM", "ssl.truststore.location": k.ca.File,
		"listener.name.mtls.ssl.client.auth": "required",
		"sasl.enabled.mechanisms":            "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
	}
	for _, listener := range []string{"sasl", "saslssl"} {
		p["listener.name."+listener+".plain.sasl.jaas.config"] = plain + ";"
		p["listener.name."+listener+".scram-sha-256.sasl.jaas.config"] = scram
		p["listener.name."+listener+".scram-sha-512.sasl.jaas.config"] = scram
	}
	if s.Authorizer {
		super := []string{"User:ANONYMOUS"} // the brokers themselves, and our readiness requests
		for _, name := range s.SuperUsers {
			super = append(super, "User:"+name)
		}
		p["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		p["super.users"] = strings.Join(super, ";")
	}
	return p
}

// format writes the first metadata of the cluster: its feature levels and SCRAM users. Starting a JVM for it once is enough:
// the nodes differ in two ids only.
func (k *Kafka) format(ctx context.Context) error {
	first := k.nodes[0]
	if _, err := os.Stat(filepath.Join(first.dataDir(), "meta.properties")); err == nil {
		return nil // a directory that the caller keeps
	}
	clusterID, err := newID() // two clusters are told apart by it
	if err != nil {
		return err
	}
	args := []string{"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", first.propertiesFile()}
	if v := k.options.TransactionVersion; v != "" {
		args = append(args, "--feature", "transaction.version="+v)
	}
	if s := k.options.Security; s != nil {
		for _, name := range slices.Sorted(maps.Keys(s.Users)) {
			for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
				args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, name, s.Users[name]))
			}
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(k.home, "kafka-run"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("formatting the storage of Kafka %s: %w: %s", k.options.Version, err, out)
	}
	for _, n := range k.nodes[1:] {
		if err := n.cloneFormat(first); err != nil {
			return err
		}
	}
	return k.giveAllToServer()
}

var (
	nodeIDLine      = regexp.MustCompile(`(?m)^node\.id=.*$`)
	directoryIDLine = regexp.MustCompile(`(?m)^directory\.id=.*$`)
)

// cloneFormat makes the data directory of n from the freshly formatted one of another node.
func (n *node) cloneFormat(from *node) error {
	if err := os.CopyFS(n.dataDir(), os.DirFS(from.dataDir())); err != nil {
		return fmt.Errorf("copying formatted storage: %w", err)
	}
	path := filepath.Join(n.dataDir(), "meta.properties")
	meta, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading formatted storage: %w", err)
	}
	id, err := newID()
	if err != nil {
		return err
	}
	meta = nodeIDLine.ReplaceAll(meta, []byte("node.id="+strconv.Itoa(n.id)))
	meta = directoryIDLine.ReplaceAll(meta, []byte("directory.id="+id))
	if err := os.WriteFile(path, meta, 0o644); err != nil {
		return fmt.Errorf("writing formatted storage: %w", err)
	}
	return nil
}

// newID is a random id as Kafka writes its UUIDs. One that begins with a dash would look like a flag.
func newID() (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("choosing an id: %w", err)
	}
	id[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(id[:]), nil
}

// giveAllToServer hands over what format wrote as ourselves.
func (k *Kafka) giveAllToServer() error {
	var errs []error
	for _, n := range k.nodes {
		errs = append(errs, filepath.WalkDir(n.dataDir(), func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return giveToServer(path)
		}))
	}
	return errors.Join(errs...)
}
