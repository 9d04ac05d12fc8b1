package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"cdcbridge/capture"
	"cdcbridge/internal/fault"
)

// conn is a connection with a pinned session: what a statement returns depends on nothing that the server, a role or an
// init_connect may set. go-mysql does the handshake, the authentication and the statements; the dump reads from wire.
type conn struct {
	*client.Conn
	raw     *pollConn
	timeout time.Duration // of each statement
	version string
	mariadb bool
}

// pins is the session: exact values, whole names, UTC, no limits, and a server that waits for us as long as we are blocked
// downstream. Every release of both products knows all of it; the limit of time has a name of its own in each.
const (
	pins = "SET SESSION autocommit=1, time_zone='+00:00', sql_mode='', sql_select_limit=18446744073709551615, sql_big_selects=1, " +
		"character_set_client=utf8mb4, character_set_connection=utf8mb4, character_set_results=utf8mb4, " +
		"group_concat_max_len=65536, wait_timeout=28800, net_read_timeout=28800, net_write_timeout=28800, "
	pinsMySQL    = pins + "max_execution_time=0 /*!80030 , show_gipk_in_create_table_and_information_schema=ON */"
	pinsMariaDB  = pins + "max_statement_time=0"
	pinIsolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED" // the variable was renamed
)

// connect opens a connection. It ends early when ctx does.
func connect(ctx context.Context, cfg *Config) (*conn, error) {
	op := "connecting to " + cfg.addr()
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	raw, hello, err := dial(ctx, cfg.network(), cfg.addr())
	if err != nil {
		return nil, serverFault(op, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	c, err := handshake(ctx, cfg, raw, hello)
	if err != nil {
		_ = raw.Close()
		if errors.Is(err, gomysql.ErrBadConn) {
			if refused := refusedCertificate(ctx, cfg, op); refused != nil {
				return nil, refused
			}
		}
		return nil, loginFault(op, cause(ctx, err))
	}
	if err := c.pin(); err != nil {
		_ = raw.Close()
		return nil, cause(ctx, err)
	}
	return c, nil
}

// pin sets the session up.
func (c *conn) pin() error {
	session := pinsMySQL
	if c.mariadb {
		session = pinsMariaDB
	}
	for _, sql := range []string{session, pinIsolation} {
		if _, err := c.query(sql); err != nil {
			return err
		}
	}
	return nil
}

// dial connects and reads the server's greeting, which tells whether TLS is offered and which product this is. The greeting
// stays in the connection for go-mysql.
func dial(ctx context.Context, network, addr string) (*pollConn, greeting, error) {
	d := net.Dialer{KeepAlive: 15 * time.Second}
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, greeting{}, err
	}
	raw, err := newPollConn(nc)
	if err != nil {
		_ = nc.Close()
		return nil, greeting{}, err
	}
	deadline, _ := ctx.Deadline()
	if err := raw.SetDeadline(deadline); err != nil {
		_ = nc.Close()
		return nil, greeting{}, err
	}
	packet, err := raw.readPacket()
	if err != nil {
		_ = nc.Close()
		return nil, greeting{}, fmt.Errorf("reading the greeting: %w", err)
	}
	return raw, parseGreeting(packet[4:]), nil
}

// greeting is what we need of the server's first packet.
type greeting struct {
	version string
	tls     bool
}

// mariadb reports MariaDB, which says so in its version: "11.8.6-MariaDB-log", with "5.5.5-" in front before 11.
func (g greeting) mariadb() bool { return strings.Contains(g.version, "MariaDB") }

// parseGreeting reads a handshake packet, version 10. Of anything else, an error packet for one, it makes an empty greeting
// and leaves the rest to go-mysql.
func parseGreeting(p []byte) greeting {
	if len(p) == 0 || p[0] != gomysql.ClassicProtocolVersion {
		return greeting{}
	}
	c := cursor{b: p[1:]}
	var version []byte
	for {
		b := c.u8()
		if c.short {
			return greeting{}
		}
		if b == 0 {
			break
		}
		version = append(version, b)
	}
	c.bytes(4 + 8 + 1) // connection id, scramble, filler
	flags := uint32(c.u16())
	return greeting{version: string(version), tls: flags&gomysql.CLIENT_SSL != 0}
}

// handshake logs in over a connection whose greeting was read.
func handshake(ctx context.Context, cfg *Config, raw *pollConn, hello greeting) (*conn, error) {
	var tlsConfig *tls.Config
	if cfg.network() != "unix" { // go-mysql, and the server, take a socket for as safe
		var err error
		if tlsConfig, err = cfg.TLS.Client(cfg.Host, hello.tls || hello.version == ""); err != nil {
			return nil, err
		}
	}
	dialed := func(context.Context, string, string) (net.Conn, error) { return raw, nil }
	cc, err := client.ConnectWithDialer(ctx, cfg.network(), cfg.Host, cfg.User, string(cfg.Password), "", dialed, func(c *client.Conn) error {
		if tlsConfig != nil {
			c.SetTLSConfig(tlsConfig)
		}
		c.SetAttributes(map[string]string{"program_name": "cdcbridge"})
		c.UnsetCapability(gomysql.CLIENT_QUERY_ATTRIBUTES | gomysql.CLIENT_DEPRECATE_EOF) // rowPackets goes by it
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &conn{Conn: cc, raw: raw, timeout: cfg.ConnectTimeout, version: hello.version, mariadb: hello.mariadb()}, nil
}

// wire is the byte stream below go-mysql's packets, decrypted. It may be read directly when no answer is outstanding.
func (c *conn) wire() net.Conn { return c.Conn.Conn.Conn }

// query runs a statement and gives its rows as text, NULL as "". It takes at most the connect timeout.
func (c *conn) query(sql string) (rows [][]string, err error) {
	err = c.each(sql, func(row []string) {
		row = slices.Clone(row)
		for i := range row {
			row[i] = strings.Clone(row[i])
		}
		rows = append(rows, row)
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// each is query for what may be about thousands of tables: the rows are never in memory all at once. A row and its texts are valid until
// take returns, which must not run a statement.
func (c *conn) each(sql string, take func(row []string)) error {
	if err := c.raw.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return serverFault("preparing a statement", err)
	}
	var res gomysql.Result
	var row []string
	err := c.ExecuteSelectStreaming(sql, &res, func(values []gomysql.FieldValue) error {
		res.Values, row = append(res.Values[:0], values), row[:0] // where GetString looks for them
		for i := range values {
			text, err := res.GetString(0, i)
			if err != nil {
				return err
			}
			row = append(row, text)
		}
		take(row)
		return nil
	}, nil)
	if err != nil {
		return serverFault("running "+abbreviate(sql, 120), err)
	}
	return nil
}

// during gives up on the connection when ctx ends while f runs.
func (c *conn) during(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer stop()
	return cause(ctx, f())
}

// cause is ctx's error when that has ended, because whatever failed then failed for it, else err.
func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return err
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

func abbreviate(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// errorCode is the number of a server's error, 0 when err is none.
func errorCode(err error) uint16 {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// serverFault gives an error of a connection its code. A fault passes as it is.
func serverFault(op string, err error) error {
	if f := fault.As(err); f != nil || errors.Is(err, context.Canceled) {
		return err
	}
	switch code := errorCode(err); code {
	case 0:
	case 1045, 1698, 1251, 1524, 1820, 1862, 3118, 3159, 3955, 4151:
		return fault.NewFinal(fault.Auth, op, err, "Check user and password (and tls) of the source; the account must exist for this host, be unlocked and not expired.")
	case 1044, 1142, 1143, 1227, 1370, 3530:
		return fault.NewFinal(fault.Permission, op, err, grantHint)
	case 1040, 1053, 1129, 1130, 1203, 1226, 1077, 1079:
		return fault.New(fault.Unreachable, op, err, "The server is up and accepts no connection from here now: check max_connections, host rules and whether it is shutting down.")
	default:
		return fault.New(fault.Source, op, err, "Look the error number up in the server's reference manual.")
	}
	if tlsErr := capture.TLSFault(op, err); tlsErr != nil {
		return tlsErr
	}
	var ne net.Error
	if errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gomysql.ErrBadConn) || errors.Is(err, net.ErrClosed) {
		return fault.New(fault.Unreachable, op, err, "Check host and port, that the server runs, and the network between.")
	}
	return fault.New(fault.Source, op, err, "")
}

// loginFault gives an error of the handshake its code. What is neither an answer of the server nor of the network is go-mysql's:
// it does not know the plugin by which the account logs in, and no other attempt will.
func loginFault(op string, err error) error {
	err = serverFault(op, err)
	if f := fault.As(err); f != nil && f.Code == fault.Source && errorCode(err) == 0 {
		return fault.NewFinal(fault.Auth, op, f.Err, "Let the account log in by mysql_native_password, caching_sha2_password, sha256_password or, on MariaDB, ed25519.")
	}
	return err
}

const grantHint = "Run GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the user (on MariaDB SLAVE MONITOR too), and GRANT SELECT on the captured tables."
