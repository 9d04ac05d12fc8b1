package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// checker looks at the topics before anything runs.
type checker struct {
	cfg     *Config
	env     capture.Env
	sampled *sampler // what Check has read; nil: nothing yet
}

func newChecker(cfg *Config, env capture.Env) *checker {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	return &checker{cfg: cfg, env: env}
}

// findings collects what a look at the topics has found.
type findings []capture.Finding

const checkArea = "kafka source"

func (fs *findings) ok(subject, detail string) {
	*fs = append(*fs, capture.Finding{Area: checkArea, Subject: subject, Detail: detail, Severity: capture.OK})
}

func (fs *findings) warn(subject, detail, remedy string) {
	*fs = append(*fs, capture.Finding{Area: checkArea, Subject: subject, Detail: detail, Severity: capture.Warning, Remedy: remedy})
}

// fault makes a problem of a fault; another error comes back.
func (fs *findings) fault(subject string, err error) error {
	f, err := capture.ProblemOf(checkArea, subject, err)
	if err == nil {
		*fs = append(*fs, f)
	}
	return err
}

// ReadsTarget reports whether the topics are in the cluster that the pipeline writes to.
func (c *Config) ReadsTarget() bool { return len(c.Cluster.Brokers) == 0 }

// Check implements capture.Checker.
func (c *checker) Check(ctx context.Context) ([]capture.Finding, error) {
	wire := kafkawire.NewClient(c.cfg.wire())
	defer wire.Close()
	meta, err := wire.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	var fs findings
	fs.ok("cluster", meta.ClusterID+", "+strconv.Itoa(len(meta.Brokers))+" brokers")
	if err := c.group(ctx, wire, &fs); err != nil {
		return nil, err
	}
	topics, err := c.topics(ctx, wire, meta.ClusterID, &fs)
	if err != nil || len(topics) == 0 {
		return fs, err
	}
	if err := c.settings(ctx, wire, topics, &fs); err != nil {
		return nil, err
	}
	return fs, c.messages(ctx, wire, topics, &fs)
}

// group looks at the consumer group, if offsets are committed for it.
func (c *checker) group(ctx context.Context, wire *kafkawire.Client, fs *findings) error {
	if !c.cfg.CommitOffsets {
		return nil
	}
	o := newOffsets(c.cfg.group(c.env.Pipeline), wire, c.env.Log)
	subject := "group " + o.group
	if err := o.check(ctx); err != nil {
		return fs.fault(subject, err)
	}
	fs.ok(subject, "no consumer is a member of it")
	return nil
}

// look asks for the topics that the pipeline reads.
func (c *checker) look(ctx context.Context, wire *kafkawire.Client, cluster string) ([]kafkawire.Topic, error) {
	e, err := c.cfg.enumerator(ctx, wire, cluster, c.env.Log)
	if err != nil {
		return nil, err
	}
	return e.topics(ctx)
}

// topics finds what is read.
func (c *checker) topics(ctx context.Context, wire *kafkawire.Client, cluster string, fs *findings) ([]kafkawire.Topic, error) {
	topics, err := c.look(ctx, wire, cluster)
	if err != nil {
		return nil, fs.fault("topics", err)
	}
	switch {
	case len(topics) > 0:
	case c.cfg.DiscoveryInterval == 0 || c.cfg.bounded():
		return nil, fs.fault("topics", fault.New(fault.TopicMissing, "looking for topics", errNoTopics, "Correct topic_pattern."))
	default:
		fs.warn("topics", errNoTopics.Error(), "The pipeline waits until there is one: correct topic_pattern if there should be.")
	}
	for i := range topics {
		t := &topics[i]
		fs.ok("topic "+t.Name, strconv.Itoa(len(t.Partitions))+" partitions")
	}
	return topics, nil
}

// shortRetention is how long records should be there at least: a weekend is longer, a day of repairs is not.
const shortRetention = 24 * time.Hour

// settings looks at what the topics lose, and when.
func (c *checker) settings(ctx context.Context, wire *kafkawire.Client, topics []kafkawire.Topic, fs *findings) error {
	names := make([]string, len(topics))
	for i := range topics {
		names[i] = topics[i].Name
	}
	all, err := wire.TopicSettings(ctx, names...)
	if err != nil {
		return err
	}
	for i := range all {
		subject := "topic " + names[i]
		if all[i].Code != kafkawire.OK {
			fs.warn(subject, "its settings cannot be read: "+all[i].Code.Error(), "Grant this user DescribeConfigs on the topic, so that its retention can be checked.")
			continue
		}
		fs.retention(subject, all[i].Values)
		if all[i].Values["unclean.leader.election.enable"] == "true" {
			fs.warn(subject, "unclean.leader.election.enable is true", "A leader without all records may be elected; the pipeline would stop with topic_truncated. Set it to false.")
		}
	}
	return nil
}

func (fs *findings) retention(subject string, settings map[string]string) {
	policy := settings["cleanup.policy"]
	if strings.Contains(policy, "delete") {
		if keeps, limited := durationOf(settings["retention.ms"]); limited && keeps < shortRetention {
			fs.warn(subject, fmt.Sprintf("records are deleted after %v", keeps), "A pipeline that stands still for longer stops with offset_lost: raise retention.ms.")
		}
		if bytes := settings["retention.bytes"]; bytes != "" && bytes != "-1" {
			fs.warn(subject, "records are deleted beyond "+bytes+" bytes a partition", "A pipeline that stands still while more than that is written stops with offset_lost: set retention.bytes to -1.")
		}
	}
	if strings.Contains(policy, "compact") {
		if keeps, limited := durationOf(settings["delete.retention.ms"]); limited && keeps < shortRetention {
			fs.warn(subject, fmt.Sprintf("tombstones are deleted after %v", keeps), "A pipeline that stands still for longer does not see what was deleted meanwhile: raise delete.retention.ms.")
		}
	}
}

// durationOf reads a setting in milliseconds; limited is false for none, or no limit.
func durationOf(text string) (d time.Duration, limited bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond, true
}

// messages reads the newest records of each topic.
func (c *checker) messages(ctx context.Context, wire *kafkawire.Client, topics []kafkawire.Topic, fs *findings) error {
	s := newSampler(c.cfg, wire)
	if err := s.read(ctx, topics); err != nil {
		return fs.fault("messages", err)
	}
	c.sampled = s
	for i := range topics {
		name := topics[i].Name
		subject := "messages of " + name
		got := s.topics[name]
		switch {
		case got == nil && s.filled[name]:
			fs.ok(subject, "none was found at the newest offsets")
		case got == nil:
			fs.ok(subject, "there is none yet")
		case got.wrong != nil && c.cfg.skips():
			fs.warn(subject, fmt.Sprintf("%d of the newest %d cannot be read: %v", got.bad, got.records, got.wrong), "Such records are left out.")
		case got.wrong != nil:
			if err := fs.fault(subject, got.wrong); err != nil {
				return err
			}
		default:
			fs.ok(subject, got.says())
		}
	}
	return nil
}

// says is what was read, for people.
func (s *sample) says() string {
	names := make([]string, 0, len(s.tables))
	for name := range s.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	switch n := len(names); {
	case n == 0:
		return fmt.Sprintf("the newest %d are no changes of rows", s.records)
	case n > 5:
		return fmt.Sprintf("changes of %d tables: %s, …", n, strings.Join(names[:5], ", "))
	}
	return "changes of " + strings.Join(names, ", ")
}
