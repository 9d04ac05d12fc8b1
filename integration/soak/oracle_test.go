package soak

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"cdcbridge/integration/harness"
)

// topic is one that must be a table.
type topic struct {
	name   string
	format string
	id     []string // headers that no two records have in common; "": rows of snapshots are left out
	table  table
	db     *sql.DB
}

// Headers by which a change is known: in the log of a database by its number in the transaction, in a topic by where it was read.
var (
	byTransaction = []string{"cdc.txn", "cdc.ord", "cdc.op"}
	byPosition    = []string{"cdc.pos", "cdc.ord", "cdc.op"}
)

// topics are all that the daemon writes.
func (s *stand) topics(my, pg *load) []topic {
	var all []topic
	captured := []table{orders, items, documents}
	if s.now.coupons {
		captured = append(captured, coupons)
	}
	for _, t := range captured {
		all = append(all, topic{"shop.shop." + t.name, "debezium-json", byTransaction, t, my.db}, topic{"bridge." + t.name, "plain-json", byPosition, t, my.db})
	}
	for _, t := range pg.tables() {
		all = append(all, topic{"ledger.public." + t.name, "canal-json", byTransaction, t, pg.db})
	}
	return append(all, topic{"audit.shop.audit", "plain-json", byTransaction, audit, my.db})
}

// prove folds the topic, holds it against the table, and verifies that no change is there twice. It gives the number of records.
func (t topic) prove(ctx context.Context, brokers []string) (records int, err error) {
	var failed error
	last := map[string][]byte{}
	seen := map[[16]byte]string{} // identity → where; a topic of millions of records must fit
	err = harness.EachRecord(ctx, brokers, t.name, func(r *kgo.Record) {
		records++
		if r.Value == nil {
			delete(last, string(r.Key))
		} else {
			last[string(r.Key)] = r.Value
		}
		if id, ok := t.identity(r); ok {
			where := fmt.Sprintf("%d/%d", r.Partition, r.Offset)
			if other, twice := seen[id]; twice && failed == nil {
				failed = fmt.Errorf("%s: the change in %s is in %s, too", t.name, where, other)
			}
			seen[id] = where
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return records, fmt.Errorf("reading %s: %w", t.name, err)
	}
	got := make(map[string]map[string]string, len(last))
	for key, value := range last {
		row, err := t.row(value)
		if err != nil {
			return records, fmt.Errorf("%s, key %s: %w", t.name, key, err)
		}
		got[t.table.keyText(row)] = row
	}
	want, err := t.table.rows(ctx, t.db)
	if err != nil {
		return records, err
	}
	return records, harness.SameRows(t.name, got, want)
}

// identity is the same for no two records; rows that were read from a table have none.
func (t topic) identity(r *kgo.Record) (id [16]byte, ok bool) {
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	text := ""
	for _, name := range t.id {
		text += headers[name] + " "
	}
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:16]), headers["cdc.op"] != "r"
}

// row is what a message leaves behind, as texts by column.
func (t topic) row(value []byte) (map[string]string, error) {
	object, err := harness.RowOf(t.format, value)
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		return nil, err
	}
	row := map[string]string{}
	for i, name := range t.table.columns {
		v, ok := raw[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("column %s is missing", name)
		case string(v) == "null":
			row[name] = harness.Null
		case v[0] == '"':
			var text string
			if err := json.Unmarshal(v, &text); err != nil {
				return nil, err
			}
			row[name] = t.table.normal(i, text)
		default:
			row[name] = t.table.normal(i, string(v))
		}
	}
	return row, nil
}
