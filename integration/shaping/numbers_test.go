package shaping

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"cdcbridge/integration/harness"
)

// transactionEnd is what is told of a transaction that has ended.
type transactionEnd struct {
	Status      string
	ID          string
	EventCount  int `json:"event_count"`
	Collections []struct {
		Name  string `json:"data_collection"`
		Count int    `json:"event_count"`
	} `json:"data_collections"`
}

// numbered holds the numbers of changes against what is there: in each transaction those of the table are 1, 2, 3, … without a gap, and its end
// counts them.
func numbered(t *testing.T, brokers []string, pipeline string) {
	t.Helper()
	orders, err := ordersOf(t.Context(), brokers, pipeline+".rows")
	if err != nil {
		t.Fatal(err)
	}
	ends, err := harness.ReadTopic(t.Context(), brokers, pipeline+".transaction")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for i := range ends {
		var end transactionEnd
		if err := json.Unmarshal(ends[i].Value, &end); err != nil {
			t.Fatal(err)
		}
		if end.Status != "END" {
			continue
		}
		list := orders[end.ID]
		slices.Sort(list)
		for k, n := range list {
			if n != k+1 {
				t.Fatalf("transaction %s has the numbers %v", end.ID, list)
			}
		}
		counted := 0
		for _, c := range end.Collections {
			counted += c.Count
		}
		if end.EventCount != len(list) || counted != len(list) || len(list) == 0 && len(end.Collections) > 0 {
			t.Fatalf("transaction %s has %d records, and its end says %s", end.ID, len(list), ends[i].Value)
		}
		told += len(list)
		delete(orders, end.ID)
	}
	if len(orders) > 0 || told == 0 {
		t.Errorf("%d transactions have no end: %v; %d records have one", len(orders), orders, told)
	}
}

// ordersOf reads the numbers of changes in the transactions of a topic.
func ordersOf(ctx context.Context, brokers []string, topic string) (map[string][]int, error) {
	records, err := harness.ReadTopic(ctx, brokers, topic)
	if err != nil {
		return nil, err
	}
	orders := map[string][]int{}
	for i := range records {
		var m struct {
			Op          string
			Transaction *struct {
				ID    string
				Order int `json:"data_collection_order"`
			}
		}
		if records[i].Value == nil {
			continue
		}
		if err := json.Unmarshal(records[i].Value, &m); err != nil {
			return nil, err
		}
		if m.Op == "r" {
			continue
		}
		if m.Transaction == nil {
			return nil, fmt.Errorf("no transaction in %.300s", records[i].Value)
		}
		orders[m.Transaction.ID] = append(orders[m.Transaction.ID], m.Transaction.Order)
	}
	return orders, nil
}
