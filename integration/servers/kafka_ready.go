package servers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// client is a plain franz-go client of the given brokers that gives up quickly, for readiness requests.
func client(addrs ...string) (*kgo.Client, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DialTimeout(time.Second), kgo.RequestRetries(0),
		kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return cl, nil
}

// answers asks broker i itself who is in the cluster: at least that many brokers, i among them, and a controller.
func (k *Kafka) answers(ctx context.Context, i, atLeast int) error {
	meta, err := k.metadata(ctx, i)
	if err != nil {
		return err
	}
	id := int32(k.nodes[i].id)
	known := slices.ContainsFunc(meta.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == id })
	if !known || len(meta.Brokers) < atLeast || meta.ControllerID < 0 {
		return fmt.Errorf("broker %d knows %d brokers (itself: %v) and controller %d", id, len(meta.Brokers), known, meta.ControllerID)
	}
	return nil
}

// metadata asks broker i itself for what it knows of the cluster.
func (k *Kafka) metadata(ctx context.Context, i int) (*kmsg.MetadataResponse, error) {
	cl, err := client(k.Brokers()[i])
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return metadata(ctx, cl)
}

func metadata(ctx context.Context, cl *kgo.Client) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = nil // all
	resp, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("asking for metadata: %w", err)
	}
	meta, ok := resp.(*kmsg.MetadataResponse)
	if !ok {
		return nil, fmt.Errorf("asking for metadata: got a %T", resp)
	}
	return meta, nil
}

// coordinates reports whether transactions can begin: it makes the brokers create __transaction_state, and a coordinator
// that has loaded its partition of it says that it does not know our made-up transaction.
func (k *Kafka) coordinates(ctx context.Context) error {
	cl, err := client(k.Brokers()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	// 3 partitions, 3 ids that fall on different ones.
	for _, id := range []string{"ready-0", "ready-1", "ready-2"} {
		req := kmsg.NewPtrDescribeTransactionsRequest()
		req.TransactionalIDs = []string{id}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return fmt.Errorf("asking for a transaction coordinator: %w", err)
		}
		for _, state := range resp.TransactionStates {
			if err := kerr.ErrorForCode(state.ErrorCode); !errors.Is(err, kerr.TransactionalIDNotFound) {
				return fmt.Errorf("asking the transaction coordinator: %w", err)
			}
		}
	}
	return nil
}

// WaitInSync waits until every partition of the cluster has a leader and all its replicas in sync, so that the next broker
// may be killed.
func (k *Kafka) WaitInSync(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := k.inSync(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for replicas: %w; last: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// inSync asks every running broker: a broker that has just come back may still hold the metadata of before.
func (k *Kafka) inSync(ctx context.Context) error {
	for i, n := range k.nodes {
		if !n.process().alive() {
			return fmt.Errorf("broker %d is down", i)
		}
		if err := k.inSyncAt(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kafka) inSyncAt(ctx context.Context, i int) error {
	meta, err := k.metadata(ctx, i)
	if err != nil {
		return err
	}
	if len(meta.Brokers) < len(k.nodes) {
		return fmt.Errorf("broker %d knows %d brokers", i, len(meta.Brokers))
	}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("partition %d of %s has leader %d and %d of %d replicas in sync", p.Partition, *t.Topic, p.Leader, len(p.ISR), len(p.Replicas))
			}
		}
	}
	return nil
}
