package upsert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// examineTopic looks at a target topic's settings, for the daemon and for its preflight alike.
func examineTopic(name string, mode Mode, t *kafkawire.Topic, settings map[string]string) []capture.Finding {
	e := examiner{area: "topic " + name, settings: settings}
	e.policy(mode)
	e.replication(t)
	e.unclean()
	e.timestamps()
	return e.findings
}

// policy looks at what Kafka deletes.
func (e *examiner) policy(mode Mode) {
	policies := strings.Split(e.settings["cleanup.policy"], ",")
	switch {
	case mode == Upsert && e.settings["cleanup.policy"] != "compact":
		e.problem("cleanup.policy", fault.TopicNotCompacted, "Rows would be deleted after retention.ms. Set cleanup.policy=compact on the topic, or write it in mode: changelog.")
	case mode == parking && slices.Contains(policies, "compact"):
		e.problem("cleanup.policy", fault.TopicSettings, "A compacted topic refuses records without key and drops all but the last one of each key: set cleanup.policy=delete on the dead-letter topic, or name another one.")
	case mode == Changelog && slices.Contains(policies, "compact"):
		e.warn("cleanup.policy", "Compaction removes all but the last change of a key: set cleanup.policy=delete if the topic shall keep the history.")
	default:
		e.ok("cleanup.policy")
	}
}

// Settings of the state topic beside its fixed number of partitions. Markers of old transactions must leave soon and segments
// must be small, or a start would read a day of transactions.
var stateSettings = map[string]string{
	"cleanup.policy":            "compact",
	"segment.bytes":             strconv.Itoa(16 << 20),
	"segment.ms":                strconv.FormatInt((10 * time.Minute).Milliseconds(), 10),
	"min.cleanable.dirty.ratio": "0.1",
	"delete.retention.ms":       strconv.FormatInt((10 * time.Minute).Milliseconds(), 10),
}

// examineState looks at the state topic.
func examineState(name string, t *kafkawire.Topic, settings map[string]string) []capture.Finding {
	e := examiner{area: "topic " + name, settings: settings}
	if n := len(t.Partitions); n != statePartitions {
		e.add("partitions", strconv.Itoa(n), capture.Problem, fault.TopicSettings,
			fmt.Sprintf("The state topic has %d partitions for ever: they decide where a checkpoint is. Delete it if it is new, and let the daemon create it.", statePartitions))
	}
	if settings["cleanup.policy"] != "compact" {
		e.problem("cleanup.policy", fault.TopicNotCompacted, "Checkpoints would be deleted after retention.ms: set cleanup.policy=compact on the state topic.")
	}
	for _, setting := range []string{"segment.bytes", "segment.ms", "min.cleanable.dirty.ratio", "delete.retention.ms"} {
		want, werr := strconv.ParseFloat(stateSettings[setting], 64)
		have, herr := strconv.ParseFloat(settings[setting], 64)
		if werr == nil && (herr != nil || have > want) {
			e.warn(setting, fmt.Sprintf("Set %s=%s on the state topic, or starting takes longer and longer.", setting, stateSettings[setting]))
		}
	}
	e.replication(t)
	e.unclean()
	e.timestamps()
	return e.findings
}

// examiner collects findings about one topic.
type examiner struct {
	area     string
	settings map[string]string
	planned  bool // it is to be created
	findings []capture.Finding
}

func (e *examiner) add(subject, detail string, severity capture.Severity, code fault.Code, remedy string) {
	e.findings = append(e.findings, capture.Finding{Area: e.area, Subject: subject, Detail: detail, Severity: severity, Code: string(code), Remedy: remedy})
}

func (e *examiner) ok(setting string) { e.add(setting, e.settings[setting], capture.OK, "", "") }

func (e *examiner) warn(setting, remedy string) {
	e.add(setting, e.settings[setting], capture.Warning, "", remedy)
}

func (e *examiner) problem(setting string, code fault.Code, remedy string) {
	e.add(setting, e.settings[setting], capture.Problem, code, remedy)
}

// replication compares min.insync.replicas with the replicas that there are.
func (e *examiner) replication(t *kafkawire.Topic) {
	replicas := fewestReplicas(t)
	if n, err := strconv.Atoi(e.settings["min.insync.replicas"]); err == nil && n > replicas {
		e.add("min.insync.replicas", fmt.Sprintf("%d with %d replicas", n, replicas), capture.Problem, fault.TopicSettings,
			"No record can ever be written: lower min.insync.replicas of the topic, or raise its replication factor.")
	}
}

// unclean looks at whether Kafka may give up records that it has acknowledged.
func (e *examiner) unclean() {
	if e.settings["unclean.leader.election.enable"] == "true" {
		e.warn("unclean.leader.election.enable", "A leader without all records may be elected, and rows or checkpoints that were committed would be lost: set it to false.")
	}
}

// leastBefore is the least age that a topic must accept of timestamps. Kafka stamps a marker when it decides a transaction, checks it
// like a record where it is appended, and never ends a transaction whose marker was refused: its transactional id is lost and readers wait for ever.
const leastBefore = time.Minute

// timestamps looks at whether markers of transactions may come too late for the topic.
func (e *examiner) timestamps() {
	const setting = "message.timestamp.before.max.ms"
	if before, err := strconv.ParseInt(e.settings[setting], 10, 64); err == nil && before < leastBefore.Milliseconds() {
		e.problem(setting, fault.TopicSettings, "Kafka refuses the marker that ends a transaction when it is older than this, and the transaction never ends: set it to 60000 at least.")
	}
}

func settingsFault(name string, code kafkawire.Code) *fault.Fault {
	f := kafkawire.CodeFault("reading the settings of topic "+name, code)
	if code == kafkawire.TopicAuthorizationFailed {
		f.Hint = "Grant this user DescribeConfigs on the topic: without its cleanup.policy and max.message.bytes it cannot be written to safely."
	}
	return f
}

// oldTimestamps is how far back a topic must accept timestamps to be given the source's commit times.
const oldTimestamps = 100 * 365 * 24 * time.Hour

// limits reads what the encoders must know of a topic.
func (t *Topic) limits(settings map[string]string, compression string) error {
	n, err := strconv.Atoi(settings["max.message.bytes"])
	if err != nil {
		return fault.NewFinal(fault.TopicSettings, "reading the settings of topic "+t.Name, fmt.Errorf("max.message.bytes: %w", err), "Report this with the broker's version.")
	}
	t.MaxBatch = n
	codec := settings["compression.type"]
	if codec == "uncompressed" { // the topic's word for what producers call none
		codec = "none"
	}
	t.Recompress = codec != "producer" && codec != compression
	t.WallClock = slices.Contains(strings.Split(settings["cleanup.policy"], ","), "delete")
	if before, err := strconv.ParseInt(settings["message.timestamp.before.max.ms"], 10, 64); err == nil && before < oldTimestamps.Milliseconds() {
		t.WallClock = true
	}
	return nil
}
