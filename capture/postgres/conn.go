package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// conn is a connection with a pinned session. pgconn does the protocol. It is used by one goroutine at a time.
type conn struct {
	pg      *pgconn.PgConn
	timeout time.Duration // of each statement

	prepared bool // the server knows the statement momentName
}

// connect opens a connection. It ends early when ctx does.
func connect(ctx context.Context, cfg *Config, as session) (*conn, error) {
	op := "connecting to PostgreSQL at " + net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port))
	settings, err := clientSettings(cfg)
	if err != nil {
		return nil, fault.NewFinal(fault.Config, op, err, "Unset the PG… variables of the daemon's environment.")
	}
	c := &conn{timeout: cfg.ConnectTimeout}
	settings.RuntimeParams = as.startup()
	limited, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	if c.pg, err = pgconn.ConnectConfig(limited, settings); err != nil {
		return nil, serverFault(op, cause(ctx, err))
	}
	if _, err := c.query(ctx, pinAgain()); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// clientSettings are pgconn's, with nothing in them that this process's environment, ~/.pgpass, ~/.postgresql or a service
// file says: pgconn insists on looking at those, so everything that it may have found is written over.
func clientSettings(cfg *Config) (*pgconn.Config, error) {
	neutral := "host=localhost port=5432 user=postgres dbname=postgres password=none passfile=/dev/null connect_timeout=0 sslmode=disable sslcertmode=disable " +
		"sslrootcert='' sslcert='' sslkey='' sslnegotiation=postgres target_session_attrs=any min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=''"
	if os.Getenv("PGSERVICE") != "" {
		// A service cannot be unsaid, but it can be another one.
		f, err := os.CreateTemp("", "cdcbridge-service")
		if err != nil {
			return nil, fmt.Errorf("hiding PGSERVICE: %w", err)
		}
		defer func() { _ = os.Remove(f.Name()) }()
		_, err = f.WriteString("[none]\n")
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("hiding PGSERVICE: %w", err)
		}
		neutral += " service=none servicefile='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(f.Name()) + "'"
	}
	c, err := pgconn.ParseConfig(neutral)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection: %w", err)
	}
	c.Host, c.Port, c.Database, c.User, c.Password = cfg.Host, uint16(cfg.Port), cfg.Database, cfg.User, string(cfg.Password)
	c.TLSConfig, c.Fallbacks, c.KerberosSrvName, c.KerberosSpn = nil, nil, "", ""
	c.ConnectTimeout = cfg.ConnectTimeout
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dial(ctx, cfg, network, addr)
	}
	return c, nil
}

// keepAlive finds a dead peer within a minute, also while nothing is to be sent.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 4}

// dial opens the transport, TLS included: pgconn would tell a server without TLS by a text only.
func dial(ctx context.Context, cfg *Config, network, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if network == "unix" || cfg.TLS.Mode == capture.TLSDisabled {
		return nc, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	secured, err := secure(ctx, cfg, nc)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return secured, nil
}

// secure asks for TLS (SSLRequest) and does the handshake. In the mode "preferred" a server without TLS is spoken to in clear.
func secure(ctx context.Context, cfg *Config, nc net.Conn) (net.Conn, error) {
	if _, err := nc.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return nil, fmt.Errorf("asking for TLS: %w", err)
	}
	var answer [1]byte // no byte more: what follows the answer belongs to the handshake
	if _, err := io.ReadFull(nc, answer[:]); err != nil {
		return nil, fmt.Errorf("asking for TLS: %w", err)
	}
	switch answer[0] {
	case 'S', 'N':
	default:
		return nil, fault.New(fault.Unreachable, "", fmt.Errorf("the answer to the request for TLS is %q", answer), "Check that host and port are those of a PostgreSQL server that accepts connections.")
	}
	settings, err := cfg.TLS.Client(cfg.Host, answer[0] == 'S')
	if err != nil || settings == nil {
		return nc, err
	}
	t := tls.Client(nc, settings)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("starting TLS: %w", err)
	}
	if cfg.TLS.CertFile != "" {
		if err := heed(t); err != nil {
			return nil, fmt.Errorf("starting TLS: %w", err)
		}
	}
	return t, nil
}

// objection is how long a server may take to refuse our certificate before we speak.
const objection = 20 * time.Millisecond

// heed gives a server the time to refuse our certificate. In TLS 1.3 it does so only behind the handshake, and closes: a message that
// comes after that fails, and nobody reads why. One that comes before leads to the reason.
func heed(t *tls.Conn) error {
	_ = t.SetReadDeadline(time.Now().Add(objection))
	n, err := t.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return t.SetReadDeadline(time.Time{})
	}
	if n > 0 {
		err = errors.New("the server speaks before it is asked")
	}
	return err
}

// query runs a statement and gives the rows of the last result as text, NULL as "". Arguments are texts of any type that
// the statement infers; a walsender takes none. It takes at most the connect timeout; the connection is closed when that is over.
func (c *conn) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var res *pgconn.Result
	if len(args) == 0 {
		all, err := c.pg.Exec(limited, sql).ReadAll()
		if err != nil {
			return nil, serverFault("running "+abbreviate(sql, 120), cause(ctx, err))
		}
		if len(all) == 0 {
			return nil, nil
		}
		res = all[len(all)-1]
	} else {
		params := make([][]byte, len(args))
		for i, a := range args {
			params[i] = []byte(a)
		}
		res = c.pg.ExecParams(limited, sql, params, nil, nil, nil).Read()
		if res.Err != nil {
			return nil, serverFault("running "+abbreviate(sql, 120), cause(ctx, res.Err))
		}
	}
	rows := make([][]string, len(res.Rows))
	for i, r := range res.Rows {
		rows[i] = make([]string, len(r))
		for j := range r {
			rows[i][j] = string(r[j])
		}
	}
	return rows, nil
}

// close gives the connection back without waiting for anybody.
func (c *conn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.pg.Close(ctx)
}

// cause is ctx's error when that has ended, because whatever failed then failed for it, else err.
func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return err
}

// quote makes a text constant.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// identifier quotes a name.
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func abbreviate(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
