package fleet

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"cdcbridge/integration/harness"
)

// message is what debezium-json says.
type message struct {
	Op            string
	Before, After *row
}

// row is one of a table.
type row struct {
	ID      int
	Version int
	Body    *string
}

func (r *row) texts() map[string]string {
	body := harness.Null
	if r.Body != nil {
		body = *r.Body
	}
	return map[string]string{"id": strconv.Itoa(r.ID), "version": strconv.Itoa(r.Version), "body": body}
}

// prove holds a topic against its table: every change is there once and in order, and what is left of each key is the row.
func prove(ctx context.Context, brokers []string, topic string, db *sql.DB, t *table) (records int, err error) {
	all, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return 0, err
	}
	err = errors.Join(harness.CheckOnce(all), contiguous(all))
	got := map[string]map[string]string{}
	for key, r := range harness.Fold(all) {
		var m message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			return 0, fmt.Errorf("%s ends with %s: %w", key, r.Value, err)
		}
		if m.After == nil {
			return 0, fmt.Errorf("%s ends with %s, which is no row", key, r.Value)
		}
		got[strconv.Itoa(m.After.ID)] = m.After.texts()
	}
	rows, qerr := db.QueryContext(ctx, "SELECT id, version, body FROM "+t.full())
	if qerr != nil {
		return 0, qerr
	}
	list, qerr := harness.Texts(rows, []string{"id", "version", "body"}, func(_ int, text string) string { return text })
	if qerr != nil {
		return 0, qerr
	}
	want := map[string]map[string]string{}
	for _, r := range list {
		want[r["id"]] = r
	}
	if err = errors.Join(err, harness.SameRows(topic, got, want)); err != nil {
		return 0, fmt.Errorf("%s: %w", topic, err)
	}
	return len(all), nil
}

// contiguous checks that no change of a key is missing: each write has the next version, whatever happened to the daemon meanwhile. Rows of a snapshot are
// where a key begins, or what is there already.
func contiguous(all []harness.Record) error {
	type place struct {
		version int
		there   bool
	}
	keys := map[string]place{}
	for _, r := range all {
		if r.Value == nil {
			continue // the delete is before it
		}
		var m message
		if err := json.Unmarshal(r.Value, &m); err != nil {
			return fmt.Errorf("%d/%d: %w", r.Partition, r.Offset, err)
		}
		key := string(r.Key)
		last, known := keys[key]
		now := last
		switch m.Op {
		case "r":
			now = place{m.After.Version, true}
			if known && last.there && now.version != last.version {
				return fmt.Errorf("key %s: the snapshot has version %d, and %d was there", key, now.version, last.version)
			}
		case "c", "u":
			now = place{m.After.Version, true}
			if known && (now.version != last.version+1 || last.there != (m.Op == "u")) {
				return fmt.Errorf("key %s: %s of version %d comes after %+v", key, m.Op, now.version, last)
			}
		case "d":
			now.there = false
			if known && !last.there {
				return fmt.Errorf("key %s: deleted twice, %+v", key, last)
			}
			if !known { // the version may not be in the log
				continue
			}
		default:
			return fmt.Errorf("key %s: operation %q", key, m.Op)
		}
		keys[key] = now
	}
	return nil
}

// proveAll does it for all topics, some at a time.
func (s *stand) proveAll(ctx context.Context) (records int, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(6)
	var counts []*int
	var jobs []func() error
	for _, side := range s.sides {
		for _, t := range side.tables {
			if !s.captured(t) {
				continue
			}
			n := new(int)
			counts = append(counts, n)
			jobs = append(jobs, func() (err error) {
				*n, err = prove(ctx, s.kafka.Brokers(), t.schema+"."+t.full(), side.db, t)
				return err
			})
		}
	}
	for _, job := range jobs {
		g.Go(job)
	}
	err = g.Wait()
	for _, n := range counts {
		records += *n
	}
	return records, err
}
