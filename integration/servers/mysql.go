package servers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
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

	"github.com/go-sql-driver/mysql"
)

// The account that every MySQL server has: all privileges, from everywhere, made without a trace in the binary log.
const (
	User     = "it"
	Password = "it"
)

// MySQLVersions are what Version can be, the oldest MySQL first.
var MySQLVersions = []string{"57", "80", "97", "maria1011", "maria118"}

// MySQLOptions says what server to start. The zero value is a MySQL 9.x as the product wants it: row format, full metadata
// and image, GTIDs on, an empty binary log.
type MySQLOptions struct {
	Version   string   // one of MySQLVersions, "97" by default
	Metadata  string   // binlog_row_metadata: FULL (default), MINIMAL, on MariaDB NO_LOG too; MySQL 5.7 has none
	Image     string   // binlog_row_image: FULL (default), MINIMAL, NOBLOB
	Port      int      // 0: a free one
	ServerID  uint32   // 0: random
	Extra     []string // mysqld flags, which win over ours: "--gtid-mode=OFF"
	Dir       string   // where to run, kept after Stop and used again as it is; "": a private one, removed by Stop
	NamedCert bool     // a certificate for localhost and 127.0.0.1; without it the server's own, which names no host (MySQL 8.0 and later), or none
}

// MySQL is a running server, MySQL or MariaDB.
type MySQL struct {
	options MySQLOptions
	home    string // where the version is unpacked
	dir     *runDir
	port    int
	ca      *CA // with NamedCert

	mu   sync.Mutex // guards proc
	proc *process
}

// StartMySQL installs the version when it is missing, starts a server on a fresh data directory and returns when it answers.
func StartMySQL(ctx context.Context, o MySQLOptions) (_ *MySQL, err error) {
	if o.Version == "" {
		o.Version = "97"
	}
	if o.ServerID == 0 {
		o.ServerID = 1 + rand.Uint32N(1<<31)
	}
	if !slices.Contains(MySQLVersions, o.Version) {
		return nil, fmt.Errorf("starting MySQL: no version %q, choose one of %v", o.Version, MySQLVersions)
	}
	item := "mysql" + o.Version
	if o.mariadb() {
		item = o.Version
	}
	if err := ensure(ctx, item); err != nil {
		return nil, err
	}
	m := &MySQL{options: o, home: filepath.Join(CacheDir(), item)}
	if m.dir, err = newRunDir(item, o.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Stop())
		}
	}()
	if m.port, err = ReservePort(o.Port); err != nil {
		return nil, err
	}
	if err := m.prepare(ctx); err != nil {
		return nil, err
	}
	return m, m.start(ctx)
}

// prepare copies the version's template unless the directory holds data already.
func (m *MySQL) prepare(ctx context.Context) error {
	if m.options.NamedCert {
		ca, err := m.newCA()
		if err != nil {
			return err
		}
		if _, err := ca.Issue("server"); err != nil {
			return err
		}
		m.ca = ca
	}
	if _, err := os.Stat(m.dataDir()); err == nil {
		return nil
	}
	// cp and not os.CopyFS: it keeps owner and mode, and leaves out the half that is zeros.
	out, err := exec.CommandContext(ctx, "cp", "-a", "--sparse=always", filepath.Join(m.home, "template"), m.dataDir()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copying the data directory of %s: %w: %s", m.name(), err, out)
	}
	return nil
}

func (m *MySQL) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	proc, err := startProcess(spawn{
		name: m.name(), argv: append([]string{filepath.Join(m.home, "mysqld-run")}, m.flags()...),
		dir: m.dir.path, log: m.Log(),
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.proc = proc
	m.mu.Unlock()
	db, err := m.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	return proc.until(ctx, db.PingContext)
}

func (m *MySQL) dataDir() string { return filepath.Join(m.dir.path, "data") }

// Host is where the server listens. It and the port stay the same over Restart.
func (m *MySQL) Host() string { return "127.0.0.1" }

// Port is where the server listens.
func (m *MySQL) Port() int { return m.port }

// Addr is Host and Port together.
func (m *MySQL) Addr() string { return net.JoinHostPort(m.Host(), strconv.Itoa(m.port)) }

// User is the name of the account that may do everything.
func (m *MySQL) User() string { return User }

// Password is the password of that account.
func (m *MySQL) Password() string { return Password }

// Log is the path of the server's log.
func (m *MySQL) Log() string { return filepath.Join(m.dir.path, "log") }

// Socket is the path of the server's socket.
func (m *MySQL) Socket() string { return filepath.Join(m.dir.path, "sock") }

// DataDir is the server's data directory, with its binary logs.
func (m *MySQL) DataDir() string { return m.dataDir() }

// CA is the authority that signed the server's certificate, and by which it judges those of clients; nil without NamedCert.
func (m *MySQL) CA() *CA { return m.ca }

// CAFile is the certificate (PEM) of the CA that signed the server's certificate. Without NamedCert that certificate names
// no host, so a client can verify the chain but not the name; MySQL 5.7 and MariaDB have no such CA then, which is "".
func (m *MySQL) CAFile() string {
	if m.ca != nil {
		return m.ca.File
	}
	if m.MariaDB() || m.options.Version == "57" {
		return ""
	}
	return filepath.Join(m.dataDir(), "ca.pem")
}

// DSN is a data source name for go-sql-driver; several statements in one Exec are allowed. db may be empty.
func (m *MySQL) DSN(db string) string { return m.config(db).FormatDSN() }

func (m *MySQL) config(db string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = User, Password, "tcp", m.Addr(), db
	c.MultiStatements = true
	c.Logger = log.New(io.Discard, "", 0) // a broken connection is an error that is returned, not a line on stderr too
	return c
}

// connect opens a pool on a database that is there.
func (m *MySQL) connect(db string) (*sql.DB, error) {
	connector, err := mysql.NewConnector(m.config(db))
	if err != nil {
		return nil, fmt.Errorf("opening the database %q at %s: %w", db, m.Addr(), err)
	}
	return sql.OpenDB(connector), nil
}

// DB opens the database, making it first when there is none of that name ("" is none). The caller closes it.
func (m *MySQL) DB(name string) (*sql.DB, error) {
	if name != "" {
		if err := m.createDB(name); err != nil {
			return nil, fmt.Errorf("making the database %s: %w", name, err)
		}
	}
	return m.connect(name)
}

// createDB asks first, because the server logs a CREATE DATABASE IF NOT EXISTS that did nothing.
func (m *MySQL) createDB(name string) error {
	db, err := m.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&n); err != nil || n > 0 {
		return err
	}
	_, err = db.Exec("CREATE DATABASE `" + strings.ReplaceAll(name, "`", "``") + "`")
	return err
}

// CreateUser makes an account that has only the given privileges, each as GRANT spells it: "SELECT ON shop.*". None: it can
// log in and nothing else, which is what a test of a missing REPLICATION grant wants.
func (m *MySQL) CreateUser(ctx context.Context, name, password string, privileges ...string) error {
	db, err := m.connect("")
	if err != nil {
		return err
	}
	defer db.Close()
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	account := quote(name) + "@'%'"
	statements := []string{"CREATE USER " + account + " IDENTIFIED BY " + quote(password)}
	for _, p := range privileges {
		statements = append(statements, "GRANT "+p+" TO "+account)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("making the account %s: %w", name, err)
		}
	}
	return nil
}

// Stop ends the server at once and removes its directory, unless the caller chose that one.
func (m *MySQL) Stop() error {
	return errors.Join(m.Kill(), ReleasePort(m.port), m.dir.remove())
}

// Kill is kill -9; Restart brings the server back with crash recovery.
func (m *MySQL) Kill() error { return m.process().kill() }

// Shutdown ends the server in order and keeps its data for Restart.
func (m *MySQL) Shutdown(ctx context.Context) error {
	return m.process().terminate(ctx, 30*time.Second)
}

// Restart stops the server in order when it runs and starts it on the same data and port, from now on with the extra flags
// too.
func (m *MySQL) Restart(ctx context.Context, extra ...string) error {
	if err := m.Shutdown(ctx); err != nil {
		return err
	}
	m.options.Extra = append(m.options.Extra, extra...)
	return m.start(ctx)
}

// Pause freezes the server (SIGSTOP): connections stay open and nothing is answered.
func (m *MySQL) Pause() error { return m.process().pause() }

// Continue undoes Pause.
func (m *MySQL) Continue() error { return m.process().signal(syscall.SIGCONT) }

func (m *MySQL) process() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proc
}
