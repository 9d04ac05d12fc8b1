package endtoend

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// TestBrokerDiskFull lets the broker answer for a while as it does when its disk is full. It did not take the rows then, or,
// worse, it did and says that it did not.
func TestBrokerDiskFull(t *testing.T) {
	t.Parallel()
	kafka := servers.KafkaFor(t, servers.KafkaOptions{Proxied: true})
	proxy := servers.KafkaProxyFor(t, kafka, 0)
	b := newBench(t, servers.MySQLFor(t, servers.MySQLOptions{}), "shop")
	d := start(t, setup{name: "full", b: b, brokers: kafka.Listener(servers.Proxied), kafka: ", transaction_timeout: 3s"}.yaml())
	quiet := b.during(t, harness.FreshSeed(t))
	defer quiet()
	harness.StateFor(t, d, 30*time.Second, "running")
	for attempts, fate := range []servers.Fate{servers.Alter, servers.Refuse} {
		time.Sleep(300 * time.Millisecond)
		full := proxy.Begin(servers.KafkaRule{Key: kmsg.Produce, Fate: fate, Change: diskFull})
		for seen, tries := 0, 0; seen <= attempts; tries++ {
			s := harness.StateFor(t, d, 30*time.Second, "retrying")
			switch {
			case s.Code == "kafka_storage" && s.Hint != "":
				seen++
			case s.Code == "unreachable" && tries < 5: // on a busy machine an attempt's only answer may come too late
			default:
				t.Fatalf("with a full disk: %+v", s)
			}
			if code, _, err := d.Get(t.Context(), "/readyz"); err != nil || code != 503 {
				t.Errorf("/readyz answers %d, %v", code, err)
			}
			harness.StateFor(t, d, 30*time.Second, "starting")
		}
		full.End()
		harness.StateFor(t, d, 60*time.Second, "running")
	}
	quiet()
	b.settle(t, "full", kafka.Brokers(), 60*time.Second)
	harness.StopFor(t, d)
	b.settle(t, "full", kafka.Brokers(), 0)
	b.complete(t, "full", kafka.Brokers())
}

// diskFull makes the answer to a Produce an error for each of its partitions.
func diskFull(req kmsg.Request, resp kmsg.Response) {
	answer := resp.(*kmsg.ProduceResponse)
	answer.Topics = nil
	for _, t := range req.(*kmsg.ProduceRequest).Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.BaseOffset = p.Partition, -1
			partition.ErrorCode = kerr.KafkaStorageError.Code
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
}
