package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Connect is a running worker of Kafka Connect, distributed over the one process that it is, with Debezium's connectors. What it writes is in
// the cluster that it was started with, in topics of one partition that Connect makes by itself.
type Connect struct {
	home  string
	tuned ConnectOptions
	dir   *runDir
	port  int
	proc  *process
}

// ConnectOptions are of a worker that is measured.
type ConnectOptions struct {
	ExactlyOnce bool   // exactly.once.source.support=enabled
	Heap        string // of the JVM, which then also gets its optimizing compiler and its usual collector; "": small and quick to start
}

// StartConnect installs Debezium when it is missing, starts a worker against the cluster and returns when its REST interface knows the connectors,
// which takes half a minute on a busy machine.
func StartConnect(ctx context.Context, kafka *Kafka, o ConnectOptions) (_ *Connect, err error) {
	if err := ensure(ctx, Debezium36); err != nil {
		return nil, err
	}
	c := &Connect{home: filepath.Join(CacheDir(), Debezium36), tuned: o}
	if c.dir, err = newRunDir(Debezium36, ""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.port, err = ReservePort(0); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.file(), c.properties(kafka), 0o644); err != nil {
		return nil, fmt.Errorf("writing the configuration of Kafka Connect: %w", err)
	}
	if err := c.writeScript(); err != nil {
		return nil, err
	}
	return c, c.launch(ctx)
}

// PID is the worker's process id.
func (c *Connect) PID() int { return c.proc.cmd.Process.Pid }

func (c *Connect) script() string {
	if c.tuned.Heap != "" {
		return filepath.Join(c.dir.path, "connect-run")
	}
	return filepath.Join(c.home, "connect-run")
}

// writeScript writes the script of a worker with another JVM, which is that of provision.sh with other flags.
func (c *Connect) writeScript() error {
	if c.tuned.Heap == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.home, "connect-run"))
	if err != nil {
		return fmt.Errorf("reading how Kafka Connect is started: %w", err)
	}
	for old, now := range map[string]string{"-XX:TieredStopAtLevel=1 ": "", "-XX:+UseSerialGC ": "", "-Xmx768m ": "-Xmx" + c.tuned.Heap + " "} {
		if !bytes.Contains(text, []byte(old)) {
			return fmt.Errorf("starting Kafka Connect: its script has no %q to be replaced", old)
		}
		text = bytes.ReplaceAll(text, []byte(old), []byte(now))
	}
	return os.WriteFile(c.script(), text, 0o755)
}

func (c *Connect) file() string { return filepath.Join(c.dir.path, "worker.properties") }

// Restart ends the worker with SIGKILL and starts it again. Its connectors go on from the offsets that were written last, every ten seconds, so that
// what they wrote since comes once more.
func (c *Connect) Restart(ctx context.Context) error {
	if err := c.proc.kill(); err != nil {
		return err
	}
	return c.launch(ctx)
}

func (c *Connect) launch(ctx context.Context) (err error) {
	c.proc, err = startProcess(spawn{
		name: "Kafka Connect", argv: []string{c.script(), c.file()}, dir: c.dir.path, log: c.Log(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return c.proc.until(ctx, func(ctx context.Context) error {
		var plugins []struct{ Class string }
		if err := c.call(ctx, http.MethodGet, "/connector-plugins", nil, &plugins); err != nil {
			return err
		}
		if len(plugins) < 3 {
			return fmt.Errorf("only %d plugins: %v", len(plugins), plugins)
		}
		return c.call(ctx, http.MethodGet, "/connectors", nil, &[]string{}) // the worker has joined its group
	})
}

func (c *Connect) properties(kafka *Kafka) []byte {
	settings := []string{
		"bootstrap.servers=" + strings.Join(kafka.Brokers(), ","),
		"group.id=connect-" + strconv.Itoa(c.port),
		"listeners=http://127.0.0.1:" + strconv.Itoa(c.port),
		"plugin.path=" + filepath.Join(c.home, "plugins"),
		"plugin.discovery=service_load", // the default looks into every class
		"key.converter=org.apache.kafka.connect.json.JsonConverter",
		"value.converter=org.apache.kafka.connect.json.JsonConverter",
		"status.storage.partitions=1", "offset.storage.partitions=1",
		"offset.flush.interval.ms=10000",
	}
	if c.tuned.ExactlyOnce {
		settings = append(settings, "exactly.once.source.support=enabled")
	}
	for _, kind := range []string{"config", "offset", "status"} {
		settings = append(settings, fmt.Sprintf("%s.storage.topic=connect-%d-%s", kind, c.port, kind), kind+".storage.replication.factor=1")
	}
	return []byte(strings.Join(settings, "\n") + "\n")
}

// Log is the path of the worker's log.
func (c *Connect) Log() string { return filepath.Join(c.dir.path, "log") }

// Create makes a connector, or changes its configuration, and returns when it and its task run. What Connect or the connector refuses is an error at
// once.
func (c *Connect) Create(ctx context.Context, name string, config map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var refused error
	err := c.proc.until(ctx, func(ctx context.Context) error {
		refused = c.call(ctx, http.MethodPut, "/connectors/"+url.PathEscape(name)+"/config", config, nil)
		if e := (*answerError)(nil); errors.As(refused, &e) && e.status != http.StatusConflict { // its group is being formed
			return nil
		}
		return refused
	})
	if err = errors.Join(err, refused); err != nil {
		return fmt.Errorf("making the connector %s: %w", name, err)
	}
	err = c.proc.until(ctx, func(ctx context.Context) error {
		var states []string
		states, refused = c.states(ctx, name)
		if e := (*failedError)(nil); errors.As(refused, &e) {
			return nil
		}
		if refused == nil && (len(states) < 2 || slices.ContainsFunc(states, func(s string) bool { return s != "RUNNING" })) {
			return fmt.Errorf("connector and tasks are %q", states)
		}
		return refused
	})
	if err = errors.Join(err, refused); err != nil {
		return fmt.Errorf("waiting for the connector %s: %w", name, err)
	}
	return nil
}

// answerError is an answer of the REST interface that is not a success.
type answerError struct {
	call   string
	status int
	body   []byte
}

func (e *answerError) Error() string { return fmt.Sprintf("%s: %d: %.2000s", e.call, e.status, e.body) }

// failedError is what a connector or a task died of.
type failedError struct{ name, trace string }

func (e *failedError) Error() string { return "the connector " + e.name + " has failed: " + e.trace }

// Check is an error, with what Connect says of it, when the connector or its task has failed.
func (c *Connect) Check(ctx context.Context, name string) error {
	_, err := c.states(ctx, name)
	return err
}

// states are those of the connector and of its tasks. A failed one is an error with what Connect says of it.
func (c *Connect) states(ctx context.Context, name string) ([]string, error) {
	type unit struct{ State, Trace string }
	var status struct {
		Connector unit
		Tasks     []unit
	}
	if err := c.call(ctx, http.MethodGet, "/connectors/"+url.PathEscape(name)+"/status", nil, &status); err != nil {
		return nil, err
	}
	states := []string{status.Connector.State}
	for _, t := range append([]unit{status.Connector}, status.Tasks...) {
		if t.State == "FAILED" {
			return nil, &failedError{name, t.Trace}
		}
	}
	for _, t := range status.Tasks {
		states = append(states, t.State)
	}
	return states, nil
}

// Offsets are those that a connector goes on from after a failure, as JSON; Connect writes them every ten seconds.
func (c *Connect) Offsets(ctx context.Context, name string) (string, error) {
	var all struct {
		Offsets []struct{ Offset json.RawMessage }
	}
	if err := c.call(ctx, http.MethodGet, "/connectors/"+url.PathEscape(name)+"/offsets", nil, &all); err != nil {
		return "", err
	}
	var text []string
	for _, o := range all.Offsets {
		text = append(text, string(o.Offset))
	}
	return strings.Join(text, "\n"), nil
}

// Delete ends a connector.
func (c *Connect) Delete(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/connectors/"+url.PathEscape(name), nil, nil)
}

// call sends one request. in and out are JSON; nil is none.
func (c *Connect) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:"+strconv.Itoa(c.port)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the answer of Kafka Connect: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return &answerError{method + " " + path, resp.StatusCode, answer}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Stop ends the worker at once and removes its directory.
func (c *Connect) Stop() error {
	return errors.Join(c.proc.kill(), ReleasePort(c.port), c.dir.remove())
}
