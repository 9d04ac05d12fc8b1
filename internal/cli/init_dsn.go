package cli

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// origin is where a starter configuration reads from.
type origin struct {
	kind           string // of the source: mysql, mariadb, postgres or kafka
	host, port     string
	database, user string
	password       string            // empty: it is in the environment
	tlsMode        string            // empty: the default
	files          map[string]string // ca_file, cert_file, key_file
	brokers        []string          // kafka
	topics         []string          // kafka
	format         string            // kafka: of the messages; empty: what the topic's last record looks like
}

// schemes are the kinds by the schemes of their addresses.
var schemes = map[string]string{"mysql": "mysql", "mariadb": "mariadb", "postgres": "postgres", "postgresql": "postgres", "kafka": "kafka"}

const addressForms = "write mysql://USER@HOST:PORT/DATABASE, mariadb://…, postgres://USER@HOST:PORT/DATABASE, or kafka://BROKER:PORT,BROKER:PORT/TOPIC,TOPIC"

// parseOrigin reads an address. No error shows it, for it may hold a password.
func parseOrigin(address string) (*origin, error) {
	scheme, rest, found := strings.Cut(address, "://")
	kind, known := schemes[strings.ToLower(scheme)]
	if !found || !known {
		return nil, errors.New("the address has no scheme that is known: " + addressForms)
	}
	if kind == "kafka" {
		return parseKafkaOrigin(rest)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address cannot be read; write %40 for @, %2F for / and %25 for % in a password, or leave it out: " + addressForms)
	}
	o := &origin{kind: kind, host: u.Hostname(), port: u.Port(), user: u.User.Username(), files: map[string]string{}}
	o.password, _ = u.User.Password()
	o.database = strings.TrimPrefix(u.Path, "/")
	if dir := u.Query().Get("host"); o.host == "" && dir != "" { // the directory of PostgreSQL's socket
		o.host = dir
	}
	switch {
	case o.host == "" || o.user == "":
		return nil, errors.New("the address needs a user and a host: " + addressForms)
	case kind == "postgres" && o.database == "":
		return nil, errors.New("the address needs the database, for a slot belongs to one: " + addressForms)
	}
	return o, o.parameters(u.Query())
}

func parseKafkaOrigin(rest string) (*origin, error) {
	rest, query, _ := strings.Cut(rest, "?")
	brokers, topics, _ := strings.Cut(rest, "/")
	params, err := url.ParseQuery(query)
	if err != nil || brokers == "" || topics == "" || strings.Contains(brokers, "@") {
		return nil, errors.New("the address needs brokers and topics, and no user: " + addressForms)
	}
	for name := range params {
		if name != "format" {
			return nil, fmt.Errorf("the parameter %q is not known; the only one of kafka is format", name)
		}
	}
	return &origin{kind: "kafka", brokers: strings.Split(brokers, ","), topics: strings.Split(topics, ","), format: params.Get("format")}, nil
}

// tlsModes are what clients of the databases call our modes.
var tlsModes = map[string]string{
	"disable": "disabled", "disabled": "disabled", "false": "disabled", "prefer": "preferred", "preferred": "preferred", "allow": "preferred",
	"require": "required", "required": "required", "true": "required", "verify-ca": "verify_ca", "verify_ca": "verify_ca",
	"verify-full": "verify_identity", "verify_identity": "verify_identity",
}

// parameters takes over what comes behind the question mark.
func (o *origin) parameters(params url.Values) error {
	files := map[string]string{"sslrootcert": "ca_file", "ssl-ca": "ca_file", "sslcert": "cert_file", "ssl-cert": "cert_file", "sslkey": "key_file", "ssl-key": "key_file"}
	for name := range params {
		value := params.Get(name)
		switch strings.ToLower(name) {
		case "host":
		case "sslmode", "ssl-mode", "tls":
			mode, ok := tlsModes[strings.ToLower(value)]
			if !ok {
				return fmt.Errorf("%s is none of disable, prefer, require, verify-ca, verify-full", name)
			}
			o.tlsMode = mode
		default:
			key, ok := files[strings.ToLower(name)]
			if !ok {
				return fmt.Errorf("the parameter %q is not known; known are sslmode, sslrootcert, sslcert and sslkey", name)
			}
			o.files[key] = value
		}
	}
	if o.port != "" {
		if n, err := strconv.Atoi(o.port); err != nil || n < 1 || n > 65535 {
			return errors.New("the port of the address is none")
		}
	}
	return nil
}

// variable is the environment variable that has the password.
func (o *origin) variable() string { return strings.ToUpper(o.kind) + "_PASSWORD" }

// pattern is what takes all tables.
func (o *origin) pattern() string {
	if o.kind != "postgres" && o.database != "" {
		return o.database + ".*"
	}
	return "*.*"
}

// plainYAML matches texts that need no quotes, if they are no words of YAML's.
var plainYAML = regexp.MustCompile(`^[A-Za-z_/][A-Za-z_/.0-9-]*$`)

// needsEscape reports characters that cannot stand in YAML as they are, or end a line there.
func needsEscape(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff
}

// yamlText writes a text as a YAML scalar that reads as that text, dollar signs included.
func yamlText(s string) string {
	s = strings.ReplaceAll(s, "$", "$$")
	if plainYAML.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case needsEscape(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
