package mysqlsource

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"cdcbridge/integration/servers"
)

// logKind is a server with one kind of log.
type logKind struct {
	servers.MySQLOptions
	name  string
	gtids bool
}

func (k logKind) mariadb() bool { return strings.HasPrefix(k.Version, "maria") }

// logKinds are all servers, those of MySQL with GTIDs and without; 5.7 and some of MariaDB with logs that do not describe tables.
func logKinds() []logKind {
	var kinds []logKind
	for _, v := range everyServer {
		if strings.HasPrefix(v, "maria") {
			kinds = append(kinds, logKind{servers.MySQLOptions{Version: v}, v, true}, logKind{servers.MySQLOptions{Version: v, Metadata: "NO_LOG"}, v + " NO_LOG", true})
			continue
		}
		for _, mode := range []string{"ON", "OFF"} {
			o := servers.MySQLOptions{Version: v, Extra: []string{"--gtid-mode=" + mode, "--enforce-gtid-consistency=" + mode}}
			kinds = append(kinds, logKind{o, v + " gtid_mode=" + mode, mode == "ON"})
		}
	}
	return kinds
}

// TestTransactions runs what this log alone can say about transactions, and compares the folded changes with the tables.
func TestTransactions(t *testing.T) {
	t.Parallel()
	for _, kind := range logKinds() {
		t.Run(kind.name, func(t *testing.T) {
			b := newBench(t, kind.MySQLOptions)
			b.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1),(2,2),(3,3)")
			filled := []string{"CREATE TABLE c (PRIMARY KEY (id)) AS SELECT * FROM t"}
			if kind.Version == "57" { // where a GTID cannot be about a table and its rows
				filled = []string{"CREATE TABLE c LIKE t", "INSERT INTO c SELECT * FROM t"}
			}
			b.exec(append(filled, "CREATE DATABASE other", "CREATE TABLE other.x LIKE t", "INSERT INTO other.x SELECT * FROM t")...)
			b.session("XA START 'one'", "INSERT INTO t VALUES (10,10)", "XA END 'one'", "XA COMMIT 'one' ONE PHASE")
			many := []string{"INSERT INTO t SELECT id+100, v FROM t", "UPDATE t SET v=v+1 WHERE id>100"}
			switch {
			case kind.mariadb():
				many = append([]string{"SET GLOBAL log_bin_compress_min_len=10", "SET GLOBAL log_bin_compress=ON"}, many...)
				many = append(many, "SET GLOBAL log_bin_compress=OFF")
			case kind.Version != "57":
				many = append([]string{"SET SESSION binlog_transaction_compression=ON"}, many...)
			}
			b.session(many...)
			b.exec("FLUSH BINARY LOGS", "INSERT INTO t VALUES (20,20)")
			got, err := collect(t, b.config(), "", func(s *seen) bool { return s.drained && has(s, "t/", "20,20") })
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"t", "c"} {
				sameRows(t, got.fold(table), b.selectAll(table))
			}
			checkOrdinals(t, got)
			checkPlaces(t, b, got)
			form := regexp.MustCompile(`^[0-9a-f-]{36}:\d+$`)
			if kind.mariadb() {
				form = regexp.MustCompile(`^0-\d+-\d+$`)
			}
			for _, x := range got.txns {
				if kind.gtids && (x.ID != x.Origin.GTID || !form.MatchString(x.ID)) || !kind.gtids && x.ID != fmt.Sprintf("file=%s,pos=%d", x.Origin.File, x.Origin.Pos) {
					t.Errorf("id %q, origin %+v", x.ID, x.Origin)
				}
				threadless := kind.Version == "maria1011" // which has it in statements only
				if x.Commit < 1.7e15 || x.Origin.Thread == 0 && !threadless || x.Origin.ServerID == 0 {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}

func has(s *seen, table, text string) bool {
	for _, c := range s.changes {
		if strings.Contains(c, " "+table) && strings.HasSuffix(c, "-> "+text) {
			return true
		}
	}
	return false
}

// checkOrdinals checks that changes are numbered from 0 without a gap, in each transaction and in each table of it.
func checkOrdinals(t *testing.T, s *seen) {
	t.Helper()
	next := map[string]uint64{}
	for _, c := range s.order {
		for key, got := range map[string]uint64{c.txn: c.index, c.txn + " " + c.table: c.tableIndex} {
			if got != next[key] {
				t.Fatalf("%s has ordinal %d after %d", key, got, next[key])
			}
			next[key] = got + 1
		}
	}
}

// checkPlaces compares where transactions begin with what the server shows of its files.
func checkPlaces(t *testing.T, b *bench, s *seen) {
	t.Helper()
	begins := map[string]bool{}
	for _, file := range b.column("SELECT CONCAT('binlog.',LPAD(n,6,'0')) FROM (SELECT 1 AS n UNION SELECT 2) f") {
		rows, err := b.db.QueryContext(t.Context(), "SHOW BINLOG EVENTS IN '"+file+"'")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var name, typ, pos, server, end, info string
			if err := rows.Scan(&name, &pos, &typ, &server, &end, &info); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(typ), "gtid") {
				begins[name+":"+pos] = true
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range s.txns {
		if at := fmt.Sprintf("%s:%d", x.Origin.File, x.Origin.Pos); !begins[at] {
			t.Errorf("no transaction begins at %s, where %s is said to", at, x.ID)
		}
	}
}
