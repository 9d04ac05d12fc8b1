package kafkawire

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go/protocol"

	"cdcbridge/internal/fault"
)

// brokerAPI is what one broker said about itself.
type brokerAPI struct {
	ranges   map[protocol.ApiKey]versionRange
	features Features
}

type versionRange struct{ min, max int16 }

// Features is what the cluster has finalized.
type Features struct {
	// TransactionVersion decides the transactional protocol: 2 or more is KIP-890. It is 0 on clusters without the feature.
	TransactionVersion int16
	// MetadataVersion is the finalized metadata.version, 0 on a ZooKeeper cluster.
	MetadataVersion int16
	// Epoch grows when a feature changes, -1 if there are none.
	Epoch int64
}

// Protocol returns the transactional protocol that the cluster wants.
func (f Features) Protocol() Protocol {
	if f.TransactionVersion >= 2 {
		return KIP890
	}
	return Classic
}

// Features asks a broker for the finalized features. It never answers from a cache: features change while clusters run.
func (c *Client) Features(ctx context.Context) (Features, error) {
	ctx, cancel := c.bounded(ctx, AnyBroker)
	defer cancel()
	api, err := c.fetchVersions(ctx, AnyBroker)
	if err != nil {
		return Features{}, err
	}
	return api.features, nil
}

// Supports reports whether broker speaks the given version of an API.
func (c *Client) Supports(ctx context.Context, broker int32, key protocol.ApiKey, version int16) (bool, error) {
	ctx, cancel := c.bounded(ctx, broker)
	defer cancel()
	api, err := c.brokerAPI(ctx, broker)
	if err != nil {
		return false, err
	}
	r, ok := api.ranges[key]
	return ok && r.min <= version && version <= r.max, nil
}

// checkVersion refuses a request that the broker does not speak. Without it the broker would just close the connection.
func (c *Client) checkVersion(ctx context.Context, broker int32, req *encoder) error {
	api, err := c.brokerAPI(ctx, broker)
	if err != nil {
		return err
	}
	r, ok := api.ranges[req.key]
	if ok && r.min <= req.version && req.version <= r.max {
		return nil
	}
	cause := fmt.Errorf("%s v%d is needed, the broker does not have that API", apiName(req.key), req.version)
	if ok {
		cause = fmt.Errorf("%s v%d is needed, the broker speaks v%d to v%d", apiName(req.key), req.version, r.min, r.max)
	}
	return versionFault(cause)
}

func versionFault(cause error) error {
	return fault.NewFinal(fault.KafkaVersion, "checking what the broker speaks", cause, "Use Kafka 3.6 or newer.")
}

// brokerAPI returns what broker speaks, asking it at the first call and after a failed one.
func (c *Client) brokerAPI(ctx context.Context, broker int32) (*brokerAPI, error) {
	c.mu.Lock()
	api := c.versions[broker]
	c.mu.Unlock()
	if api != nil {
		return api, nil
	}
	return c.fetchVersions(ctx, broker)
}

func (c *Client) fetchVersions(ctx context.Context, broker int32) (*brokerAPI, error) {
	const version = 3
	req := newEncoder(protocol.ApiVersions, version, true, c.cfg.ClientID)
	req.string("cdcbridge") // client software, for the broker's metrics
	req.string("1")
	req.tags()
	r, err := c.exchange(ctx, broker, req)
	if err != nil {
		return nil, err
	}
	api, code, err := parseAPIVersions(r)
	switch {
	case code == UnsupportedVersion:
		return nil, versionFault(fmt.Errorf("ApiVersions v%d is needed and the broker is older", version))
	case err != nil:
		return nil, err
	case code != OK:
		return nil, CodeFault("asking for API versions", code)
	}
	c.mu.Lock()
	c.versions[broker] = api
	c.mu.Unlock()
	return api, nil
}

func parseAPIVersions(r *reader) (*brokerAPI, Code, error) {
	api := &brokerAPI{ranges: map[protocol.ApiKey]versionRange{}, features: Features{Epoch: -1}}
	code := r.code()
	if code == UnsupportedVersion { // answered in the form of version 0
		return api, code, nil
	}
	for n := r.array(7); n > 0 && r.err == nil; n-- {
		key := protocol.ApiKey(r.int16())
		api.ranges[key] = versionRange{r.int16(), r.int16()}
		r.tags()
	}
	r.int32() // throttle time: the broker enforces it by itself
	r.eachTag(func(tag int, field *reader) {
		switch tag {
		case 1:
			api.features.Epoch = field.int64()
		case 2:
			parseFinalized(field, &api.features)
		}
	})
	return api, code, finish(r, "ApiVersions")
}

func parseFinalized(r *reader, f *Features) {
	for n := r.array(6); n > 0 && r.err == nil; n-- {
		name := r.string()
		level := r.int16() // the maximum; every member of the cluster agrees on it
		r.int16()
		r.tags()
		switch name {
		case "transaction.version":
			f.TransactionVersion = level
		case "metadata.version":
			f.MetadataVersion = level
		}
	}
}
