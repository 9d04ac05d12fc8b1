package kafkawire

import (
	"testing"
	"time"

	"cdcbridge/integration/servers"
	"cdcbridge/internal/fault"
	kw "cdcbridge/internal/kafkawire"
)

// TestPermissions calls as a user whom no ACL allows anything: every code becomes a permission fault that is final.
func TestPermissions(t *testing.T) {
	k := servers.KafkaFor(t, servers.KafkaOptions{Security: &servers.KafkaSecurity{Users: map[string]string{"mallory": "secret"}, Authorizer: true}})
	owner := &env{client: kw.NewClient(kw.Config{Brokers: k.Brokers()}), brokers: k.Brokers(), proto: kw.KIP890}
	defer owner.client.Close()
	at := kw.TopicPartition{Topic: owner.topic(t, 1)}
	p := owner.producer(t, topicName(t))

	client := kw.NewClient(kw.Config{Brokers: k.Listener(servers.SASL), SASL: kw.SASL{Mechanism: kw.SASLPlain, User: "mallory", Password: "secret"}})
	defer client.Close()
	denied := func(what string, code kw.Code, err error, want kw.Code, call kw.Call) {
		t.Helper()
		if err != nil || code != want {
			t.Errorf("%s: %v %v, want %v", what, code, err, want)
			return
		}
		verdict, _ := kw.Judge(call, kw.KIP890, code)
		if f := kw.CodeFault(what, code); f.Code != fault.Permission || !f.Final || verdict != kw.Final {
			t.Errorf("%s: %v, %v", what, f, verdict)
		}
	}
	ctx := testContext(t)
	m, err := client.Metadata(ctx, at.Topic)
	if err != nil {
		t.Fatal(err)
	}
	denied("metadata", m.Topics[0].Code, err, kw.TopicAuthorizationFailed, kw.CallRead)
	_, code, err := client.InitProducerID(ctx, topicName(t), time.Minute, kw.NoProducer)
	denied("init", code, err, kw.TransactionalIDAuthorization, kw.CallInitProducerID)
	made, err := client.CreateTopics(ctx, []kw.NewTopic{{Name: topicName(t), Partitions: 1, Replication: 1}}, time.Second, false)
	denied("create", made[0].Code, err, kw.TopicAuthorizationFailed, kw.CallCreateTopics)
	settings, err := client.TopicSettings(ctx, at.Topic)
	denied("topic settings", settings[0].Code, err, kw.TopicAuthorizationFailed, kw.CallRead)
	broker, err := client.BrokerSettings(ctx, 1)
	denied("broker settings", broker.Code, err, kw.ClusterAuthorizationFailed, kw.CallRead)
	res, err := client.Produce(ctx, 1, &kw.ProduceRequest{Protocol: kw.KIP890, TransactionalID: p.txn, Timeout: time.Second,
		Parts: []kw.ProducePart{{Topic: at.Topic, Batch: p.batch(t, at, kw.None, record{"k", "v"})}}})
	if err != nil {
		t.Fatal(err)
	}
	denied("produce", res[0].Code, err, kw.TransactionalIDAuthorization, kw.CallProduce)
	fetched, err := client.Fetch(ctx, 1, &kw.FetchRequest{MaxBytes: 1000, Parts: []kw.FetchPart{{TopicPartition: at, ID: owner.ready(t, at.Topic, 1).ID, LeaderEpoch: -1, MaxBytes: 1000}}})
	denied("fetch", fetched[0].Code, err, kw.TopicAuthorizationFailed, kw.CallRead)
	if _, err := client.ListOffsets(ctx, []kw.TopicPartition{at}, kw.ReadCommitted, kw.LatestOffset); !fault.Is(err, fault.Permission) {
		t.Errorf("offsets: %v", err)
	}
	if err := client.NewUndecidedReader(at, nil).ReadToEnd(ctx, nil); !fault.Is(err, fault.Permission) {
		t.Errorf("reading: %v", err)
	}
}
