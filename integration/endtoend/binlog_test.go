package endtoend

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/go-mysql-org/go-mysql/replication"

	"cdcbridge/integration/servers"
)

// loggedChanges lists the row changes of the tables by transaction. The log is read by go-mysql's own parser from the server's
// files, so that an error in our decoder cannot hide.
func loggedChanges(my *servers.MySQL, tables []table) (map[string][]change, error) {
	files, err := filepath.Glob(filepath.Join(my.DataDir(), "binlog.[0-9][0-9][0-9][0-9][0-9][0-9]"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	flavor := "mysql"
	if my.MariaDB() {
		flavor = "mariadb"
	}
	out := map[string][]change{}
	for _, file := range files {
		var txn string
		p := replication.NewBinlogParser()
		p.SetFlavor(flavor)
		var onEvent func(e *replication.BinlogEvent) error
		onEvent = func(e *replication.BinlogEvent) error {
			switch ev := e.Event.(type) {
			case *replication.GTIDEvent:
				txn = transactionID(filepath.Base(file), e.Header, ev)
			case *replication.MariadbGTIDEvent:
				ev.GTID.ServerID = e.Header.ServerID
				txn = ev.GTID.String()
			case *replication.TransactionPayloadEvent:
				for _, inner := range ev.Events {
					if err := onEvent(inner); err != nil {
						return err
					}
				}
			case *replication.RowsEvent:
				t := table{string(ev.Table.Schema), string(ev.Table.Table)}
				if !slices.Contains(tables, t) {
					return nil
				}
				out[txn] = append(out[txn], loggedRows(t, ev, e.Header.EventType)...)
			}
			return nil
		}
		if err := p.ParseFile(file, 4, onEvent); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
	}
	return out, nil
}

// loggedRows are the changes in one event. With a partial row image the new row has neither the columns that the statement left
// alone or to their defaults, nor, when it has differences of JSON documents, all of those that it changed.
func loggedRows(t table, ev *replication.RowsEvent, kind replication.EventType) (out []change) {
	if kind != replication.PARTIAL_UPDATE_ROWS_EVENT && ev.Type() != replication.EnumRowsEventTypeUpdate {
		for i := range ev.Rows {
			out = append(out, change{t, ev.Type() == replication.EnumRowsEventTypeInsert && len(ev.SkippedColumns[i]) > 0})
		}
		return out
	}
	for i := 0; i+1 < len(ev.Rows); i += 2 {
		partly := kind == replication.PARTIAL_UPDATE_ROWS_EVENT
		for _, column := range ev.SkippedColumns[i+1] {
			partly = partly || slices.Contains(ev.SkippedColumns[i], column)
		}
		out = append(out, change{t, partly})
	}
	return out
}

// transactionID is how the daemon names the transaction that begins with the event.
func transactionID(file string, h *replication.EventHeader, e *replication.GTIDEvent) string {
	if e.GNO == 0 {
		return fmt.Sprintf("file=%s,pos=%d", file, h.LogPos-h.EventSize)
	}
	u := e.SID
	return fmt.Sprintf("%x-%x-%x-%x-%x:%d", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16], e.GNO)
}
