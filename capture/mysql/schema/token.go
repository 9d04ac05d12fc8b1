package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// kind tells tokens of SQL apart.
type kind uint8

const (
	end    kind = iota
	word        // keyword, name or number, not quoted
	quoted      // `name`, and "name" under ANSI_QUOTES; unquoted here
	text        // 'text', and "text" without ANSI_QUOTES; unquoted here
	punct       // one byte
)

// token is a piece of a statement. glued says that nothing stands between it and the one before: x'41', _utf8'text'.
type token struct {
	kind  kind
	text  string
	glued bool
}

// is reports an unquoted word, in any case.
func (t token) is(w string) bool { return t.kind == word && strings.EqualFold(t.text, w) }

// in reports an unquoted word that is one of the words, which are in lower case.
func (t token) in(words map[string]bool) bool {
	return t.kind == word && words[strings.ToLower(t.text)]
}

// punct reports a byte of punctuation.
func (t token) punct(c byte) bool { return t.kind == punct && t.text[0] == c }

// name reports what can be an identifier.
func (t token) name() bool { return t.kind == quoted || t.kind == word }

func (t token) String() string {
	switch t.kind {
	case end:
		return "the end"
	case quoted:
		return "`" + t.text + "`"
	case text:
		return "'" + t.text + "'"
	}
	return t.text
}

// The bits of sql_mode that change how a statement is read.
const (
	modeRealAsFloat       = 1
	modeAnsiQuotes        = 4
	modeOracle            = 512 // MariaDB
	modeNoBackslashEscape = 1 << 20
)

// scanner cuts a statement into tokens. Comments are skipped; the content of executable ones is not, when the server runs it.
type scanner struct {
	s       string
	mode    uint64
	server  *Server
	opened  int // executable comments that are open
	unended string
}

// scan gives all tokens of a statement. The only errors are quotes and comments that do not end.
func scan(sql string, mode uint64, server *Server) ([]token, error) {
	z := scanner{s: sql, mode: mode, server: server}
	tokens := make([]token, 0, len(sql)/5+4)
	for {
		before := len(z.s)
		z.space()
		glued := len(z.s) == before
		if z.s == "" || z.unended != "" {
			break
		}
		t := z.next()
		t.glued = glued
		tokens = append(tokens, t)
	}
	if z.unended != "" {
		return nil, fmt.Errorf("reading a statement: %s does not end", z.unended)
	}
	return tokens, nil
}

func (z *scanner) next() token {
	switch c := z.s[0]; {
	case c == '`':
		return token{kind: quoted, text: z.quote(c, false)}
	case c == '"' && z.mode&modeAnsiQuotes != 0:
		return token{kind: quoted, text: z.quote(c, false)}
	case c == '\'' || c == '"':
		return token{kind: text, text: z.quote(c, z.mode&modeNoBackslashEscape == 0)}
	case wordByte(c):
		n := 1
		for n < len(z.s) && wordByte(z.s[n]) {
			n++
		}
		return z.cut(word, n)
	}
	return z.cut(punct, 1)
}

func (z *scanner) cut(k kind, n int) token {
	t := token{kind: k, text: z.s[:n]}
	z.s = z.s[n:]
	return t
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// space skips white space and comments.
func (z *scanner) space() {
	for {
		z.s = strings.TrimLeft(z.s, " \t\r\n\f\v\x00")
		switch {
		case strings.HasPrefix(z.s, "/*!"):
			z.executable(3)
		case strings.HasPrefix(z.s, "/*M!") && z.server.MariaDB:
			z.executable(4)
		case strings.HasPrefix(z.s, "*/") && z.opened > 0:
			z.s = z.s[2:]
			z.opened--
		case strings.HasPrefix(z.s, "/*"):
			z.comment()
		case strings.HasPrefix(z.s, "#"), strings.HasPrefix(z.s, "--") && (len(z.s) == 2 || z.s[2] <= ' '):
			_, z.s, _ = strings.Cut(z.s, "\n")
		default:
			return
		}
	}
}

func (z *scanner) comment() {
	_, after, ok := strings.Cut(z.s[2:], "*/")
	z.s = after
	if !ok {
		z.unended = "a comment"
	}
}

// executable takes the begin of /*!50110 … */, or all of it when this server does not run it. A skipped one may have comments
// inside.
func (z *scanner) executable(prefix int) {
	s := z.s[prefix:]
	n := 0
	for n < len(s) && n < 6 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n < 5 {
		n = 0
	}
	version, _ := strconv.Atoi(s[:n])
	if z.runs(version) {
		z.s = s[n:]
		z.opened++
		return
	}
	for depth := 1; depth > 0; {
		i := strings.IndexAny(s, "/*")
		switch {
		case i < 0:
			z.s, z.unended = "", "a comment"
			return
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			s = s[i+2:]
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			s = s[i+2:]
		default:
			s = s[i+1:]
		}
	}
	z.s = s
}

// runs reports whether the server runs comments of a version. MariaDB leaves alone what was meant for MySQL 5.7 and later.
func (z *scanner) runs(version int) bool {
	if z.server.MariaDB && version >= 50700 && version <= 99999 {
		return false
	}
	return version <= z.server.Version
}

// quote takes a quoted name or text; the quote doubled stands for itself, and a backslash escapes where it does.
func (z *scanner) quote(q byte, escapes bool) string {
	var b strings.Builder
	for i := 1; i < len(z.s); i++ {
		switch c := z.s[i]; {
		case c == q && i+1 < len(z.s) && z.s[i+1] == q:
			b.WriteByte(q)
			i++
		case c == q:
			z.s = z.s[i+1:]
			return b.String()
		case c == '\\' && escapes && i+1 < len(z.s):
			i++
			b.WriteString(unescape(z.s[i]))
		default:
			b.WriteByte(c)
		}
	}
	z.s, z.unended = "", "a quote"
	return ""
}

// unescape gives what a backslash with c stands for.
func unescape(c byte) string {
	switch c {
	case '0':
		return "\x00"
	case 'b':
		return "\b"
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case 'Z':
		return "\x1a"
	case '%', '_':
		return "\\" + string(c)
	}
	return string([]byte{c})
}
