package mishaps

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
)

// clusterMishaps are about Kafka as a whole. What a cluster is brought to by a full disk or a lost coordinator is answered in the broker's stead.
var clusterMishaps = []mishap{
	{name: "long-transactions", code: fault.TransactionTimeout, cause: func(s *scene) *harness.Daemon {
		s.rows(s.my, 1)
		return s.start(setup{source: s.mysql(s.my), kafka: ", transaction_timeout: 2m"})
	}},
	{name: "no-coordinator", code: fault.TransactionsDown, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.refused(kmsg.EndTxn, kerr.CoordinatorNotAvailable)
	}},
	{name: "full-disk", code: fault.KafkaStorage, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.refused(kmsg.Produce, kerr.KafkaStorageError)
	}},
	{name: "no-replicas", code: fault.Kafka, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.refused(kmsg.Produce, kerr.NotEnoughReplicas)
	}},
	{name: "old-broker", code: fault.KafkaVersion, retried: true, cause: func(s *scene) *harness.Daemon {
		return s.refused(kmsg.InitProducerID, kerr.UnsupportedVersion)
	}},
}

// refused has the broker answer requests of the scene's pipeline with an error.
func (s *scene) refused(key kmsg.Key, why *kerr.Error) *harness.Daemon {
	s.Helper()
	s.rows(s.my, 1)
	ours := "cdcbridge-" + s.name
	m := s.proxy.Begin(servers.KafkaRule{
		Key: key, Fate: servers.Refuse,
		Match: func(req kmsg.Request) bool {
			switch r := req.(type) {
			case *kmsg.InitProducerIDRequest:
				return r.TransactionalID != nil && *r.TransactionalID == ours
			case *kmsg.EndTxnRequest:
				return r.TransactionalID == ours
			case *kmsg.ProduceRequest:
				return r.TransactionID != nil && *r.TransactionID == ours
			}
			return false
		},
		Change: func(req kmsg.Request, resp kmsg.Response) {
			switch r := resp.(type) {
			case *kmsg.InitProducerIDResponse:
				r.ErrorCode, r.ProducerID, r.ProducerEpoch = why.Code, -1, -1
			case *kmsg.EndTxnResponse:
				r.ErrorCode = why.Code
			case *kmsg.ProduceResponse:
				refuseAll(req.(*kmsg.ProduceRequest), r, why)
			}
		},
	})
	s.Cleanup(m.End)
	return s.start(setup{source: s.mysql(s.my), brokers: s.kafka.Listener(servers.Proxied), kafka: ", transaction_timeout: 6s"})
}

// refuseAll answers for each partition.
func refuseAll(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse, why *kerr.Error) {
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.BaseOffset, partition.ErrorCode = p.Partition, -1, why.Code
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
}

// shorter has an older copy of the topic that is read take its place, as after a restore.
func shorter(s *scene) *harness.Daemon {
	k := servers.KafkaFor(s.T, servers.KafkaOptions{})
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers()...))
	if err != nil {
		s.Fatal(err)
	}
	defer cl.Close()
	elsewhere := *s.world
	elsewhere.cl, elsewhere.adm = cl, harness.AdminFor(s.T, k.Brokers())
	s.world = &elsewhere
	s.inserts(1, 2)
	folder, saved := filepath.Join(k.DataDir(0), s.in()+"-0"), filepath.Join(s.TempDir(), "saved")
	without := func(do func()) {
		s.Helper()
		if err := k.StopBroker(s.Context(), 0); err != nil {
			s.Fatal(err)
		}
		do()
		if err := k.StartBroker(s.Context(), 0); err != nil {
			s.Fatal(err)
		}
	}
	without(func() { s.copy(folder, saved) })
	s.inserts(3, 4)
	c := setup{source: s.topics("brokers: [" + k.Brokers()[0] + "]")}
	s.ran(c, 4)
	without(func() {
		if err := os.RemoveAll(folder); err != nil {
			s.Fatal(err)
		}
		s.copy(saved, folder)
	})
	return s.start(c)
}

// copy copies a folder, with its owner.
func (s *scene) copy(from, to string) {
	s.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		s.Fatalf("copying %s: %v: %s", from, err, out)
	}
}
