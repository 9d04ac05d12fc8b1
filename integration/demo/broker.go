package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"

	"cdcbridge/integration/servers"
)

// fake is a broker in this process that keeps its topics in memory. It speaks Kafka's protocol, transactions included, so
// that any Kafka client may look in.
type fake struct{ *kfake.Cluster }

func startFake(context.Context) (broker, error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	return fake{c}, nil
}

func (fake) Name() string        { return "a Kafka broker in this process" }
func (f fake) Brokers() []string { return f.ListenAddrs() }

func (f fake) Stop() error {
	f.Close()
	return nil
}

// kafka is Apache Kafka itself.
type kafka struct{ *servers.Kafka }

func startKafka(ctx context.Context) (broker, error) {
	k, err := servers.StartKafka(ctx, servers.KafkaOptions{})
	if err != nil {
		return nil, err
	}
	return kafka{k}, nil
}

func (kafka) Name() string { return "Apache Kafka 4.4" }
