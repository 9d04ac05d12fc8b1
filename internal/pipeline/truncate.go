package pipeline

import (
	"context"

	"cdcbridge/upsert"
)

// truncate ends all keys of tables before a chunk is written. What comes before the chunk is committed first: the sink reads the
// keys from the topics.
func (c *committer) truncate(ctx context.Context, list []upsert.Truncation) error {
	if len(list) == 0 {
		return nil
	}
	if !c.began.IsZero() || c.moved {
		if err := c.commit(ctx, nil); err != nil {
			return err
		}
	}
	began, err := c.sink.Truncate(ctx, list)
	if err != nil {
		return err
	}
	if !began.IsZero() {
		c.began = began
		c.stats.openSince.Store(began.UnixMicro())
	}
	return nil
}
