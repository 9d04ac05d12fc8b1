package postgres

import (
	"maps"
	"slices"
	"strings"
)

// session says what a connection is for.
type session struct {
	pipeline    string
	replication bool // a walsender: it takes replication commands beside SQL, and no parameters
}

// application is how the session shows in pg_stat_activity and pg_stat_replication.
func (s session) application() string { return "cdcbridge " + s.pipeline }

// pins make what the server says, and the log that a walsender decodes, depend on nothing that a role, a database or the
// server's configuration may set.
var pins = map[string]string{
	"datestyle": "ISO, MDY", "intervalstyle": "postgres", "timezone": "UTC", "extra_float_digits": "3", "bytea_output": "hex",
	"lc_monetary": "C", "client_encoding": "UTF8", "search_path": "pg_catalog", "xmlbinary": "base64", "standard_conforming_strings": "on",
	"quote_all_identifiers": "off", "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
	"default_transaction_isolation": "read committed", "default_transaction_read_only": "off", "default_transaction_deferrable": "off",
	"client_min_messages": "warning", "row_security": "off",
}

// startup gives the parameters of the connection's first message.
func (s session) startup() map[string]string {
	params := maps.Clone(pins)
	params["application_name"] = s.application()
	if s.replication {
		params["replication"] = "database"
	}
	return params
}

// pinAgain says the same once the session stands: a login trigger may have run, and a pooler drops parameters that it does
// not know.
func pinAgain() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(pins)) {
		b.WriteString("SET SESSION " + name + " = " + quote(pins[name]) + "; ")
	}
	b.WriteString("SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'") // PostgreSQL 17 and later
	return b.String()
}
