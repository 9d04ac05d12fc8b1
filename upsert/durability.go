package upsert

import (
	"fmt"
	"strconv"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// What a preflight says of topics beyond what would stop the daemon: how rows in them can still be lost.

// target looks at a topic that an output writes to.
func (e *examiner) target(t *kafkawire.Topic, o *Output, brokers int) {
	e.durability(t, brokers)
	e.sizes()
	if o.Mode == Upsert && !o.NoTombstones {
		e.tombstones()
	}
}

// durability looks at how many disks must fail for a row that was acknowledged to be lost, and how many brokers for writing to end.
func (e *examiner) durability(t *kafkawire.Topic, brokers int) {
	const setting = "min.insync.replicas"
	replicas := fewestReplicas(t)
	n, err := strconv.Atoi(e.settings[setting])
	detail := fmt.Sprintf("%d with %d replicas", n, replicas)
	switch {
	case err != nil || n > replicas: // replication has said it
	case replicas == 1 && brokers > 1:
		e.add("replication factor", fmt.Sprintf("1 on %d brokers", brokers), capture.Warning, "", "Its rows are lost with one disk, and nothing is written while one broker is down: "+
			e.asCreated("give it three replicas with kafka-reassign-partitions.sh.", "set kafka.topics.replication (kafka.state_replication for the state topic) to 3."))
	case replicas > 1 && n == 1:
		e.add(setting, detail, capture.Warning, "", "A row counts as written when one broker has it, and is lost with that one's disk: "+
			e.asCreated("set it to 2 on the topic.", "set it to 2 in kafka.topics.config, or on the brokers."))
	case replicas > 1 && n == replicas:
		e.add(setting, detail, capture.Warning, "", "Nothing is written while one broker is down: "+
			e.asCreated("set it to one less than the replicas, on the topic.", "set it to one less than the replicas, in kafka.topics.config or on the brokers."))
	case replicas > 1:
		e.add("replication", fmt.Sprintf("%d replicas, min.insync.replicas %d", replicas, n), capture.OK, "", "")
	}
	if err == nil && n <= replicas {
		e.inSync(t, n)
	}
}

// inSync looks at the replicas that have fallen out.
func (e *examiner) inSync(t *kafkawire.Topic, least int) {
	behind, stuck := 0, 0
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if len(p.InSync) < len(p.Replicas) {
			behind++
		}
		if len(p.InSync) < least {
			stuck++
		}
	}
	const subject = "replicas in sync"
	switch {
	case stuck > 0:
		e.add(subject, fmt.Sprintf("fewer than min.insync.replicas (%d) in %d of %d partitions", least, stuck, len(t.Partitions)), capture.Problem, fault.Kafka,
			"Nothing can be written there until they are back: start the missing brokers.")
	case behind > 0:
		e.add(subject, fmt.Sprintf("not all of them in %d of %d partitions", behind, len(t.Partitions)), capture.Warning, "",
			"A broker is down or behind, and the next one that fails may stop writing: look at the brokers.")
	}
}

// asCreated chooses between the remedy of a topic that exists and of one that is to be created.
func (e *examiner) asCreated(exists, planned string) string {
	if e.planned {
		return planned
	}
	return exists
}

// Below these a topic is worse than Kafka's default.
const (
	wholeBatch     = 1 << 20 // bytes of records that a batch may have
	longTombstones = 24 * time.Hour
)

// sizes looks at how large a record may be.
func (e *examiner) sizes() {
	const most, segment = "max.message.bytes", "segment.bytes"
	limit, err := strconv.Atoi(e.settings[most])
	if err != nil {
		return // the first use says so
	}
	if limit < wholeBatch {
		e.warn(most, "A larger row, as compressed, stops the pipeline with record_too_large: raise it to 1 MiB at least.")
	}
	if room, err := strconv.Atoi(e.settings[segment]); err == nil && room < limit {
		e.warn(segment, "It is below max.message.bytes, and a row between the two stops the pipeline with record_too_large: raise it.")
	}
}

// tombstones looks at how long a reader may stand still without missing a delete.
func (e *examiner) tombstones() {
	const setting = "delete.retention.ms"
	n, err := strconv.ParseInt(e.settings[setting], 10, 64)
	if err == nil && n < longTombstones.Milliseconds() {
		e.warn(setting, "A reader that stands still for longer misses deletes, and keeps those rows for ever: set it to 86400000 (a day) or more.")
	}
}

// fewestReplicas is the number of replicas of the partition that has the fewest.
func fewestReplicas(t *kafkawire.Topic) int {
	replicas := 1 << 15
	for i := range t.Partitions {
		replicas = min(replicas, len(t.Partitions[i].Replicas))
	}
	return replicas
}
