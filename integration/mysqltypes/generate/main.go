// Command generate asks real MySQL servers for what the decoder of capture/mysql must know and be checked against, and
// writes it into that package:
//
//	generate charsets  SERVER…            charsets/*.gz and collations.go: each character set's code table, as the servers convert
//	generate doubles   SERVER             testdata/doubles.txt: how the server prints doubles within JSON
//	generate binlogs   SERVER=DATADIR …   testdata/*.binlog.gz with *.json.gz: rows of every type as logged and as selected
//
// SERVER is host:port; the account it/it needs all privileges. Run it through regenerate.sh beside it.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

func main() {
	out := flag.String("out", "../../../capture/mysql", "the package's directory")
	flag.Parse()
	if err := run(context.Background(), *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: generate charsets|doubles|binlogs SERVER…")
	}
	switch args[0] {
	case "charsets":
		return charsets(ctx, out, args[1:])
	case "doubles":
		return doubles(ctx, out, args[1])
	case "binlogs":
		return binlogs(ctx, out, args[1:])
	}
	return fmt.Errorf("unknown subject %q", args[0])
}

// open connects one session whose results come as the server prints them.
func open(ctx context.Context, server string) (*sql.DB, *sql.Conn, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = "it", "it", "tcp", server
	cfg.Params = map[string]string{"group_concat_max_len": "1000000", "sql_mode": "''", "time_zone": "'+00:00'", "cte_max_recursion_depth": "1000000"}
	cfg.MultiStatements = true
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(c)
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close() // the first error is the one that matters
		return nil, nil, fmt.Errorf("connecting to %s: %w", server, err)
	}
	return db, conn, nil
}
