package servers

import (
	"path/filepath"
	"strconv"
	"strings"
)

func (o MySQLOptions) mariadb() bool { return strings.HasPrefix(o.Version, "maria") }

// MariaDB says that the server is a MariaDB.
func (m *MySQL) MariaDB() bool { return m.options.mariadb() }

// Version is the version as the options name it: "97", "maria118".
func (m *MySQL) Version() string { return m.options.Version }

func (m *MySQL) name() string {
	if version, ok := strings.CutPrefix(m.options.Version, "maria"); ok {
		return "MariaDB " + version
	}
	return "MySQL " + m.options.Version
}

// flags is the command line: what all servers know, what the version knows, and last the caller's.
func (m *MySQL) flags() []string {
	o := m.options
	flags := []string{
		"--datadir=" + m.dataDir(), "--port=" + strconv.Itoa(m.port), "--bind-address=127.0.0.1",
		"--socket=" + m.Socket(), "--pid-file=" + filepath.Join(m.dir.path, "pid"), "--relay-log=relay",
		"--tmpdir=" + m.dir.path, // a MariaDB that starts in a common one deletes the temporary tables of those that run
		"--server-id=" + strconv.FormatUint(uint64(o.ServerID), 10), "--log-bin=binlog", "--binlog-format=ROW", "--secure-file-priv=",
		"--binlog-row-image=" + orFull(o.Image),
		// Small, and as fast as a server that loses nothing when only its process is killed can be.
		"--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--performance-schema=OFF",
	}
	metadata := "--binlog-row-metadata=" + orFull(o.Metadata)
	switch {
	case o.mariadb():
		flags = append(flags, metadata, "--gtid-strict-mode=ON", "--log-slave-updates=ON", "--character-set-server=utf8mb4", "--innodb-log-file-size=64M")
	case o.Version == "57":
		flags = append(flags, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-slave-updates=ON", "--character-set-server=utf8mb4", "--innodb-log-file-size=32M")
	default:
		flags = append(flags, metadata, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF", "--innodb-redo-log-capacity=64M")
	}
	if m.ca != nil {
		pair := m.ca.pair("server")
		flags = append(flags, "--ssl-ca="+m.ca.File, "--ssl-cert="+pair.Cert, "--ssl-key="+pair.Key)
	}
	return append(flags, o.Extra...)
}

func orFull(s string) string {
	if s == "" {
		return "FULL"
	}
	return s
}

// newCA makes the authority of a server with a certificate for its names. The 5.7 that is packed for tests has a TLS library
// that knows RSA alone (and no TLS later than 1.1, which Go clients speak only when they are told to).
func (m *MySQL) newCA() (*CA, error) {
	if m.options.Version == "57" {
		return newCA(m.dir.path, rsaKey)
	}
	return NewCA(m.dir.path)
}
