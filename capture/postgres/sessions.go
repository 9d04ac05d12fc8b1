package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cdcbridge/internal/fault"
)

// This file looks at what transactions do, to tell people what a read waits for, and to be certain that a transaction has not begun
// to commit. From the moment when a commit is in the log until it is visible, the one that executes it does nothing else. So
// these are certain not to have committed before the look:
//   - a client's transaction whose session waits for the next statement, or has begun another one between two looks. A session
//     says that it works before it does, and a statement that ends a transaction takes its number away before the next one begins.
//     Whether there is a transaction with that number is read after what the session does, so both are of one transaction: the
//     read found the number before. Background workers that apply changes say less, and are waited for.
//   - one that waited for something that no commit waits for, if a read that begins afterwards still finds it running. What a session
//     waits for is read last of all, and only that read makes sure that it was not the next transaction's.
//   - a prepared transaction, which stays listed as such until its COMMIT PREPARED is visible, when the look has found no session of
//     its database that may have been executing one. Prepared transactions are listed after the look at the sessions: one that
//     is still listed then would have had its session at work before.
//   - a transaction of another database, of which this slot's log has nothing.
//
// Without the right to see what other roles' sessions do (pg_read_all_stats) nothing is certain but the last, and is waited for.

// sessions is one look.
type sessions struct {
	transactions []transactionFacts
	committers   bool // some session may have been executing COMMIT PREPARED
}

// transactionFacts is a transaction that has a number.
type transactionFacts struct {
	xid       uint32
	pid       string // of its session; "" for a prepared one
	gid       string // of a prepared one
	client    bool   // a client's session, whose statements are known
	state     string // as in pg_stat_activity; "" when we may not know
	statement string // when its last statement began
	since     string // when it began, or was prepared; "" when we may not know
	waits     string // what its session waits for within the server
	elsewhere bool   // in another database
}

// inTheMiddle are things that a session waits for while it does something else than to commit. Between the record of a commit and the
// moment when it is visible it waits for the log, for pg_xact, for standbys, and for the list of running transactions.
var inTheMiddle = []string{"ClientRead", "PgSleep", "DataFileRead", "DataFileExtend", "BufFileRead", "BufFileWrite", "ExecuteGather", "ParallelFinish", "ParallelCreateIndexScan",
	"relation", "transactionid", "tuple", "advisory"}

const sessionsSQL = `SELECT coalesce(backend_xid::text, ''), pid, coalesce(backend_type = 'client backend', false), coalesce(state, ''), coalesce(query_start::text, ''),
 coalesce(xact_start::text, ''), coalesce(wait_event, ''), coalesce(datid <> d.oid, false),
 datid = d.oid AND pid <> pg_backend_pid() AND NOT coalesce(backend_type IN ('parallel worker', 'autovacuum worker') OR backend_type IN ('client backend', 'walsender') AND
  (state LIKE 'idle%' OR state = 'active' AND query !~* 'prepared' AND octet_length(query) < (SELECT setting::int - 8 FROM pg_settings WHERE name = 'track_activity_query_size')), false)
FROM pg_stat_activity, (SELECT oid FROM pg_database WHERE datname = current_database()) d;
SELECT transaction, gid, prepared, database <> current_database() FROM pg_prepared_xacts`

// sessions looks. Within one transaction the server gives the same answer for ever.
func (c *conn) sessions(ctx context.Context) (sessions, error) {
	const op = "looking at the server's sessions"
	var l sessions
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.pg.Exec(limited, sessionsSQL).ReadAll()
	if err != nil {
		return l, serverFault(op, cause(ctx, err))
	}
	number := func(text []byte) (uint32, error) {
		xid, err := strconv.ParseUint(string(text), 10, 32)
		if err != nil {
			return 0, fault.New(fault.Source, op, err, "")
		}
		return uint32(xid), nil
	}
	for _, r := range res[0].Rows {
		l.committers = l.committers || string(r[8]) == "t"
		if len(r[0]) == 0 {
			continue
		}
		t := transactionFacts{pid: string(r[1]), client: string(r[2]) == "t", state: string(r[3]), statement: string(r[4]), since: string(r[5]), waits: string(r[6]), elsewhere: string(r[7]) == "t"}
		if t.xid, err = number(r[0]); err != nil {
			return l, err
		}
		l.transactions = append(l.transactions, t)
	}
	for _, r := range res[1].Rows {
		t := transactionFacts{gid: string(r[1]), since: string(r[2]), elsewhere: string(r[3]) == "t"}
		if t.xid, err = number(r[0]); err != nil {
			return l, err
		}
		l.transactions = append(l.transactions, t)
	}
	return l, nil
}

// find gives the transaction with that number, nil when the look has not found it.
func (l sessions) find(xid uint64) *transactionFacts {
	i := slices.IndexFunc(l.transactions, func(t transactionFacts) bool { return t.xid == uint32(xid) })
	if i < 0 {
		return nil
	}
	return &l.transactions[i]
}

// harmless reports that the transaction had not begun to commit.
func (t *transactionFacts) harmless(committers bool) bool {
	switch {
	case t.elsewhere:
		return true
	case t.gid != "":
		return !committers
	}
	return t.client && (t.state == "idle in transaction" || t.state == "idle in transaction (aborted)")
}

// describe names transactions for people who are to do something about them.
func (l sessions) describe(xids []uint64) string {
	const most = 3
	var parts []string
	for i, xid := range xids {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(xids)-most))
			break
		}
		parts = append(parts, l.describeOne(xid))
	}
	return strings.Join(parts, ", ")
}

func (l sessions) describeOne(xid uint64) string {
	t := l.find(xid)
	switch {
	case t == nil:
		return fmt.Sprintf("transaction %d", xid)
	case t.gid != "":
		return fmt.Sprintf("transaction %d (prepared as %s at %s)", xid, quote(t.gid), t.since)
	case t.state == "":
		return fmt.Sprintf("transaction %d (pid %s; GRANT pg_read_all_stats would tell since when)", xid, t.pid)
	}
	s := fmt.Sprintf("transaction %d (pid %s, %s, since %s", xid, t.pid, t.state, t.since)
	if t.waits != "" && t.state == "active" {
		s += ", waits for " + t.waits
	}
	return s + ")"
}
