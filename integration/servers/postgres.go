package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// PostgresOptions says what server to start. The zero value is a PostgreSQL 18 as the product wants it: logical WAL, room for
// 20 slots and walsenders, UTF8. Its superuser is User with Password; everybody logs in by SCRAM-SHA-256.
type PostgresOptions struct {
	Version  string            // "18" (default), "17", "16" or "15"
	Port     int               // 0: a free one
	Settings map[string]string // as in postgresql.conf; they win over ours: {"wal_level": "replica"}
	HBA      []string          // lines of pg_hba.conf that come before "everybody by scram-sha-256"
	Dir      string            // where to run, kept after Stop and used again as it is; "": a private one, removed by Stop
	TLS      bool              // offers TLS, with a certificate for localhost and 127.0.0.1 and with CA as the judge of clients
	Durable  bool              // with fsync, for a test that wants its slowness; a kill of processes loses nothing without it

	// A cluster made by initdb (1 s) and not from the version's copy: other servers of the version have another system
	// identifier. WALSegmentMB, a power of two up to 1024, does the same; 0 is PostgreSQL's 16.
	FreshCluster bool
	WALSegmentMB int
}

// Shutdown is how a PostgreSQL server is asked to end.
type Shutdown syscall.Signal

// Ways to end.
const (
	Fast      = Shutdown(syscall.SIGINT)  // ends sessions and, at last, walsenders, which first send all that there is
	Immediate = Shutdown(syscall.SIGQUIT) // like a crash: no checkpoint, the next start recovers
	Smart     = Shutdown(syscall.SIGTERM) // waits for all sessions to leave by themselves
)

// Postgres is a running server.
type Postgres struct {
	options PostgresOptions
	home    string // where the version is unpacked
	dir     *runDir
	port    int
	ca      *CA // with TLS

	mu   sync.Mutex // guards proc
	proc *process
}

// StartPostgres installs the version when it is missing, starts a server on a fresh data directory and returns when it
// answers.
func StartPostgres(ctx context.Context, o PostgresOptions) (_ *Postgres, err error) {
	p, err := newPostgres(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Stop())
		}
	}()
	if _, err := os.Stat(p.DataDir()); err != nil {
		if err := p.makeCluster(ctx); err != nil {
			return nil, err
		}
	}
	return p, p.Start(ctx)
}

// newPostgres has the version, a directory and a port, and no data.
func newPostgres(ctx context.Context, o PostgresOptions) (_ *Postgres, err error) {
	if o.Version == "" {
		o.Version = "18"
	}
	item := "pg" + o.Version
	if !slices.Contains([]string{Postgres15, Postgres16, Postgres17, Postgres18}, item) {
		return nil, fmt.Errorf("starting PostgreSQL: no version %q, choose 18, 17, 16 or 15", o.Version)
	}
	if err := ensure(ctx, item); err != nil {
		return nil, err
	}
	p := &Postgres{options: o, home: filepath.Join(CacheDir(), item)}
	if p.dir, err = newRunDir(item, o.Dir); err != nil {
		return nil, err
	}
	if p.port, err = ReservePort(o.Port); err != nil {
		return nil, errors.Join(err, p.dir.remove())
	}
	if o.TLS {
		if err := p.certify(); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

func (p *Postgres) certify() error {
	ca, err := NewCA(p.dir.path)
	if err != nil {
		return err
	}
	if _, err := ca.Issue("server"); err != nil {
		return err
	}
	p.ca = ca
	return nil
}

// makeCluster copies the version's template, or runs initdb when the cluster is to differ from it.
func (p *Postgres) makeCluster(ctx context.Context) error {
	if !p.options.FreshCluster && p.options.WALSegmentMB == 0 {
		// cp and not os.CopyFS: it keeps owner and mode, and leaves out the half that is zeros.
		out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", filepath.Join(p.home, "template"), p.DataDir()).CombinedOutput()
		if err != nil {
			return fmt.Errorf("copying the data directory of PostgreSQL %s: %w: %s", p.options.Version, err, out)
		}
		return nil
	}
	argv := []string{
		filepath.Join(p.home, "bin", "initdb"), "-D", p.DataDir(), "--username=" + User, "--pwfile=" + filepath.Join(p.home, "password"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
	}
	if mb := p.options.WALSegmentMB; mb != 0 {
		argv = append(argv, "--wal-segsize="+strconv.Itoa(mb))
	}
	proc, err := startProcess(spawn{name: "initdb of PostgreSQL " + p.options.Version, argv: argv, dir: p.dir.path, log: p.Log()})
	if err != nil {
		return err
	}
	<-proc.done
	if state := proc.cmd.ProcessState; !state.Success() {
		return fmt.Errorf("making a cluster of PostgreSQL %s: %v%s", p.options.Version, state, logTail(p.Log()))
	}
	return nil
}

// Start starts the server on its data and port after Kill or Shutdown, and returns when it answers.
func (p *Postgres) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.configure(); err != nil {
		return err
	}
	proc, err := startProcess(spawn{
		name: "PostgreSQL " + p.options.Version, argv: []string{filepath.Join(p.home, "bin", "postgres"), "-D", p.DataDir()},
		dir: p.dir.path, log: p.Log(),
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.proc = proc
	p.mu.Unlock()
	db, err := p.connect("postgres")
	if err != nil {
		return err
	}
	defer db.Close()
	return proc.until(ctx, db.PingContext)
}

// DataDir is the server's data directory, with its WAL.
func (p *Postgres) DataDir() string { return filepath.Join(p.dir.path, "data") }

// Host is where the server listens. It and the port stay the same over Restart.
func (p *Postgres) Host() string { return "127.0.0.1" }

// Port is where the server listens.
func (p *Postgres) Port() int { return p.port }

// Addr is Host and Port together.
func (p *Postgres) Addr() string { return net.JoinHostPort(p.Host(), strconv.Itoa(p.port)) }

// User is the name of the superuser.
func (p *Postgres) User() string { return User }

// Password is the password of the superuser.
func (p *Postgres) Password() string { return Password }

// Version is the major version, "18".
func (p *Postgres) Version() string { return p.options.Version }

// Log is the path of the server's log.
func (p *Postgres) Log() string { return filepath.Join(p.dir.path, "log") }

// CA is the authority that signed the server's certificate; nil without TLS.
func (p *Postgres) CA() *CA { return p.ca }

// CAFile is that authority's certificate (PEM); "" without TLS.
func (p *Postgres) CAFile() string {
	if p.ca == nil {
		return ""
	}
	return p.ca.File
}

// DSN is a connection string for pgx, as the superuser and without TLS. The database must be there; "" is postgres.
func (p *Postgres) DSN(db string) string {
	if db == "" {
		db = "postgres"
	}
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable", p.Host(), p.port, User, Password, quote(db))
}

// connect opens a pool on a database that is there.
func (p *Postgres) connect(db string) (*sql.DB, error) {
	c, err := pgx.ParseConfig(p.DSN(db))
	if err != nil {
		return nil, fmt.Errorf("opening the database %q at %s: %w", db, p.Addr(), err)
	}
	return stdlib.OpenDB(*c), nil
}

// DB opens the database, making it first when there is none of that name; "" is postgres. An Exec without arguments may hold
// several statements, which are one transaction then. The caller closes it.
func (p *Postgres) DB(name string) (*sql.DB, error) {
	if name != "" {
		if err := p.createDB(name); err != nil {
			return nil, fmt.Errorf("making the database %s: %w", name, err)
		}
	}
	return p.connect(name)
}

func (p *Postgres) createDB(name string) error {
	db, err := p.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&n); err != nil || n > 0 {
		return err
	}
	_, err = db.Exec("CREATE DATABASE " + pgx.Identifier{name}.Sanitize())
	return err
}

// Exec runs statements as the superuser on a connection of their own; several in one string are one transaction.
func (p *Postgres) Exec(ctx context.Context, db string, statements ...string) error {
	pool, err := p.connect(db)
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := pool.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("running %q: %w", s, err)
		}
	}
	return nil
}

// One is the first column of a query's first row, as text, asked by the superuser on a connection of its own.
func (p *Postgres) One(ctx context.Context, db, query string, args ...any) (string, error) {
	pool, err := p.connect(db)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	var s sql.NullString
	if err := pool.QueryRowContext(ctx, query, args...).Scan(&s); err != nil {
		return "", fmt.Errorf("asking %q: %w", query, err)
	}
	return s.String, nil
}

// CreateUser makes a role that may log in and has only the given attributes and privileges: "REPLICATION" as CREATE ROLE
// spells it, "SELECT ON shop.t" as GRANT does, in the database db.
func (p *Postgres) CreateUser(ctx context.Context, db, name, password string, rights ...string) error {
	role := pgx.Identifier{name}.Sanitize()
	statements := []string{"CREATE ROLE " + role + " LOGIN PASSWORD '" + strings.ReplaceAll(password, "'", "''") + "'"}
	for _, r := range rights {
		if strings.Contains(r, " ") {
			statements = append(statements, "GRANT "+r+" TO "+role)
		} else {
			statements = append(statements, "ALTER ROLE "+role+" "+r)
		}
	}
	return p.Exec(ctx, db, statements...)
}
