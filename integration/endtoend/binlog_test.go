package endtoend

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-mysql-org/go-mysql/replication"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// The second oracle: every row change in the server's log is in the topics, once. The log is read by go-mysql's own parser
// from the server's files, so that an error in our decoder cannot hide.

// loggedChanges lists the captured row changes of database db by transaction: the tables of its changes, in order.
func loggedChanges(my *servers.MySQL, db string) (map[string][]string, error) {
	files, err := filepath.Glob(filepath.Join(my.DataDir(), "binlog.[0-9]*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	out := map[string][]string{}
	for _, file := range files {
		var txn string
		p := replication.NewBinlogParser()
		var onEvent func(e *replication.BinlogEvent) error
		onEvent = func(e *replication.BinlogEvent) error {
			switch ev := e.Event.(type) {
			case *replication.GTIDEvent:
				txn = transactionID(filepath.Base(file), e.Header, ev)
			case *replication.TransactionPayloadEvent:
				for _, inner := range ev.Events {
					if err := onEvent(inner); err != nil {
						return err
					}
				}
			case *replication.RowsEvent:
				table := string(ev.Table.Table)
				if string(ev.Table.Schema) != db || !slices.Contains(captured, table) {
					return nil
				}
				rows := len(ev.Rows)
				if e.Header.EventType == replication.UPDATE_ROWS_EVENTv2 {
					rows /= 2
				}
				for range rows {
					out[txn] = append(out[txn], table)
				}
			}
			return nil
		}
		if err := p.ParseFile(file, 4, onEvent); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
	}
	return out, nil
}

// transactionID is how the daemon names the transaction that begins with the event.
func transactionID(file string, h *replication.EventHeader, e *replication.GTIDEvent) string {
	if e.GNO == 0 {
		return fmt.Sprintf("file=%s,pos=%d", file, h.LogPos-h.EventSize)
	}
	u := e.SID
	return fmt.Sprintf("%x-%x-%x-%x-%x:%d", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16], e.GNO)
}

// compareLog checks one output of a pipeline against the log: the same transactions, and in each the same changes.
func compareLog(ctx context.Context, my *servers.MySQL, brokers []string, db, prefix string) error {
	want, err := loggedChanges(my, db)
	if err != nil {
		return err
	}
	got := map[string]map[int]string{}
	for _, table := range captured {
		records, err := harness.ReadTopic(ctx, brokers, prefix+table)
		if err != nil {
			return fmt.Errorf("reading topic %s%s: %w", prefix, table, err)
		}
		for i := range records {
			r := &records[i]
			ord, err := strconv.Atoi(r.Headers["cdc.ord"])
			if err != nil {
				return fmt.Errorf("%s/%d/%d has the ordinal %q", table, r.Partition, r.Offset, r.Headers["cdc.ord"])
			}
			txn := r.Headers["cdc.txn"]
			if got[txn] == nil {
				got[txn] = map[int]string{}
			}
			if other, ok := got[txn][ord]; ok && other != table {
				return fmt.Errorf("change %d of %s is in the topics of %s and %s", ord, txn, other, table)
			}
			got[txn][ord] = table
		}
	}
	for txn, tables := range want {
		for ord, table := range tables {
			if got[txn][ord] != table {
				return fmt.Errorf("change %d of %d of %s, a row of %s, is not in the topics (there: %q)", ord, len(tables), txn, table, got[txn][ord])
			}
		}
		if len(got[txn]) != len(tables) {
			return fmt.Errorf("%s has %d changes, the topics have %d", txn, len(tables), len(got[txn]))
		}
	}
	for txn := range got {
		if want[txn] == nil {
			return fmt.Errorf("the topics have the transaction %s, which the log has not", txn)
		}
	}
	return nil
}
