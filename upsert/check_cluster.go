package upsert

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
	"cdcbridge/internal/kafkawire"
)

// cluster says what the cluster is, and what it has finalized.
func (c *checker) cluster(ctx context.Context) error {
	switch n := len(c.meta.Brokers); n {
	case 0:
		c.add("brokers", "the cluster lists none", capture.Problem, fault.Unreachable, "Look at the brokers' logs.")
	case 1:
		c.add("brokers", "1 reachable, the only one", capture.Warning, "", "With its disk all rows and checkpoints are lost. For what must last: three brokers, replication factor 3 and min.insync.replicas=2.")
	default:
		c.add("brokers", fmt.Sprintf("%d reachable", n), capture.OK, "", "")
	}
	features, err := c.sink.wire.Features(ctx)
	if err != nil {
		return c.failed("version", err)
	}
	c.proto = features.Protocol()
	c.add("cluster", fmt.Sprintf("%s, metadata.version %d", c.meta.ClusterID, features.MetadataVersion), capture.OK, "", "")
	c.add("transaction.version", fmt.Sprintf("%d, %s transactions", features.TransactionVersion, c.proto), capture.OK, "", "")
	if c.sink.cfg.AtLeastOnce {
		c.add("delivery", "at least once: rows come again after a crash", capture.OK, "", "")
	}
	return nil
}

// broker looks at the settings of a broker. They need a right of their own, without which two questions stay open.
func (c *checker) broker(ctx context.Context) error {
	if len(c.meta.Brokers) == 0 {
		return nil
	}
	settings, err := c.sink.wire.BrokerSettings(ctx, c.meta.Brokers[0].ID)
	if err != nil {
		return c.failed("broker settings", err)
	}
	if settings.Code != kafkawire.OK {
		c.add("broker settings", settings.Code.Error(), capture.Warning, "", "Grant this user DescribeConfigs on the cluster so that transaction.max.timeout.ms and partition verification can be checked.")
		return nil
	}
	const timeout = "transaction.max.timeout.ms"
	if most, err := strconv.ParseInt(settings.Values[timeout], 10, 64); err == nil {
		if c.sink.cfg.TransactionTimeout.Milliseconds() > most {
			c.add(timeout, strconv.FormatInt(most, 10), capture.Problem, fault.TransactionTimeout,
				fmt.Sprintf("Lower kafka.transaction_timeout to at most %s, or raise %s of the brokers.", time.Duration(most)*time.Millisecond, timeout))
		} else {
			c.add(timeout, strconv.FormatInt(most, 10), capture.OK, "", "")
		}
	}
	const verify = "transaction.partition.verification.enable"
	if c.proto == kafkawire.Classic && settings.Values[verify] != "true" {
		c.add(verify, settings.Values[verify], capture.Warning, "", "A late request of a stopped daemon could join a later transaction: use Kafka 3.6 or newer with this setting on, or transaction.version 2.")
	}
	return nil
}

// transactionalID finds out whether the id may be used. An initialisation with the impossible timeout 0 is refused for its
// timeout after the right was checked and before anything is changed, so nobody is fenced. The right to write by a transactional
// id includes idempotent writes, so there is nothing else to ask for.
func (c *checker) transactionalID(ctx context.Context) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	id := c.sink.transactionalID()
	p := producer{proto: c.proto, timeout: createPatience, counters: &counters{}}
	err := p.repeat(ctx, kafkawire.CallInitProducerID, "using the transactional id "+id, func(ctx context.Context) (kafkawire.Code, error) {
		said, code, err := c.sink.wire.DescribeTransaction(ctx, id)
		if err != nil || code != kafkawire.OK && code != kafkawire.TransactionalIDNotFound {
			return code, err
		}
		c.said = said
		_, code, err = c.sink.wire.InitProducerID(ctx, id, 0, kafkawire.NoProducer)
		if code == kafkawire.InvalidTransactionTimeout {
			code = kafkawire.OK
		}
		return code, err
	})
	if err != nil {
		return c.failed("transactional id", err)
	}
	c.add("transactional id", id+" may be used, idempotent writes included", capture.OK, "", "")
	return nil
}

// decisions looks at the topic in which the coordinators keep how transactions were decided. A restricted user does not see it.
func (c *checker) decisions(ctx context.Context) error {
	const name = "__transaction_state"
	meta, err := c.sink.wire.Metadata(ctx, name)
	if err != nil {
		return c.failed("topic "+name, err)
	}
	t := meta.Topic(name)
	if t == nil || t.Code != kafkawire.OK {
		return nil
	}
	if brokers := len(meta.Brokers); brokers > 1 && fewestReplicas(t) == 1 {
		c.add("topic "+name, fmt.Sprintf("1 replica on %d brokers", brokers), capture.Warning, "",
			"While its broker is down no transaction begins, and with its disk it is lost how the last ones were decided: give it three replicas with kafka-reassign-partitions.sh, and set transaction.state.log.replication.factor=3.")
	}
	return nil
}

// recently is how long ago the last commit of a writer that is alive may be: one whose source moves writes its position every ten
// seconds.
const recently = time.Minute

// producer says whether somebody writes under the transactional id now.
func (c *checker) producer() {
	const subject = "producer"
	who := "a program under this transactional id"
	if c.state.instance != "" {
		who = "instance " + c.state.instance
	}
	const remedy = "This is as it should be if it is the daemon that runs this pipeline. A second one takes the pipeline over, and the first one stops with fenced: run one, or give the pipelines different names or transactional_id_prefix."
	ago := time.Since(c.state.wrote).Round(time.Millisecond)
	switch {
	case c.said.State == "":
		c.add(subject, "nobody uses the transactional id", capture.OK, "", "")
	case c.stranger():
		c.add(subject, "a program that has no checkpoint in "+c.sink.cfg.StateTopic+" writes under this transactional id", capture.Warning, fault.Fenced,
			"Two programs with one transactional id end each other's transactions for ever: set another kafka.transactional_id_prefix, or the state_topic of that program if this daemon is to take its place.")
	case !c.said.Settled():
		since := ""
		if !c.said.Started.IsZero() {
			since = fmt.Sprintf(", since %v", time.Since(c.said.Started).Round(time.Millisecond))
		}
		c.add(subject, who+" is in a transaction"+since, capture.Warning, fault.Fenced, remedy)
	case ago < recently:
		c.add(subject, fmt.Sprintf("%s has committed %v ago", who, ago), capture.Warning, fault.Fenced, remedy)
	default:
		c.add(subject, "nobody has written for a minute", capture.OK, "", "")
	}
}

// stranger reports whether the newest transaction under the id is certainly of no daemon with this state topic: each one of ours
// begins with a record there, or has the producer id of one that did. An id that Kafka has just given out because the epochs of the
// last one were used up has epoch 0 until its first transaction ends; what an abort has taken back tells nothing.
func (c *checker) stranger() bool {
	ended := c.said.State == "CompleteCommit"
	if !c.state.known || !ended && c.said.State != "Ongoing" || slices.Contains(c.state.producers, c.said.Producer.ID) {
		return false
	}
	return c.said.Producer.Epoch > 0 || ended && c.proto == kafkawire.Classic
}
