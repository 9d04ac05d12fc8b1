package mysql

import "strings"

// tokenKind tells tokens of SQL apart as far as naming tables needs it.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // keyword, name or number, not quoted
	tokenQuoted           // `name`, unquoted here
	tokenString           // 'text' or "text", which is a name when the session had ANSI_QUOTES
	tokenPunct            // one byte
)

type token struct {
	kind tokenKind
	text string
}

// is reports an unquoted word, in any case.
func (t token) is(word string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, word) }

func (t token) punct(c byte) bool { return t.kind == tokenPunct && t.text[0] == c }

// isName reports what can be an identifier.
func (t token) isName() bool {
	return t.kind == tokenWord || t.kind == tokenQuoted || t.kind == tokenString
}

// tokenizer cuts a statement into tokens. Comments are skipped, the content of executable ones (/*!80000 … */) is not. It
// never fails: whatever it meets is some token, and an unclosed quote ends with the text.
type tokenizer struct {
	s      string
	peeked *token
	before string // s before what was peeked
	depth  int    // of parentheses, after the last token
	plain  bool   // a backslash is a character like any other (NO_BACKSLASH_ESCAPES)
}

func (z *tokenizer) peek() token {
	if z.peeked == nil {
		z.before = z.s
		t := z.scan()
		z.peeked = &t
	}
	return *z.peeked
}

func (z *tokenizer) next() token {
	t := z.peek()
	z.peeked = nil
	switch {
	case t.punct('('):
		z.depth++
	case t.punct(')'):
		z.depth--
	}
	return t
}

// rest is the text after the last token.
func (z *tokenizer) rest() string {
	if z.peeked != nil {
		return z.before
	}
	return z.s
}

// accept takes the next token when it is one of the words.
func (z *tokenizer) accept(words ...string) bool {
	for _, w := range words {
		if z.peek().is(w) {
			z.next()
			return true
		}
	}
	return false
}

// skip takes tokens as long as they are any of the words.
func (z *tokenizer) skip(words ...string) {
	for z.accept(words...) {
	}
}

func (z *tokenizer) scan() token {
	z.space()
	if z.s == "" {
		return token{}
	}
	switch c := z.s[0]; {
	case c == '`' || c == '\'' || c == '"':
		return z.quoted(c)
	case wordByte(c):
		n := 1
		for n < len(z.s) && wordByte(z.s[n]) {
			n++
		}
		return z.cut(tokenWord, n)
	}
	return z.cut(tokenPunct, 1)
}

func (z *tokenizer) cut(kind tokenKind, n int) token {
	t := token{kind, z.s[:n]}
	z.s = z.s[n:]
	return t
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// space skips white space and comments.
func (z *tokenizer) space() {
	for {
		z.s = strings.TrimLeft(z.s, " \t\r\n\f\v\x00")
		switch {
		case strings.HasPrefix(z.s, "/*!"):
			z.s = strings.TrimLeft(z.s[3:], "0123456789")
		case strings.HasPrefix(z.s, "/*M!"): // MariaDB's own
			z.s = strings.TrimLeft(z.s[4:], "0123456789")
		case strings.HasPrefix(z.s, "*/"): // of an executable comment
			z.s = z.s[2:]
		case strings.HasPrefix(z.s, "/*"):
			_, z.s, _ = strings.Cut(z.s[2:], "*/")
		case strings.HasPrefix(z.s, "#"), strings.HasPrefix(z.s, "--") && (len(z.s) == 2 || z.s[2] <= ' '):
			_, z.s, _ = strings.Cut(z.s, "\n")
		default:
			return
		}
	}
}

// quoted takes a quoted name or string; the quote doubled stands for itself, and in strings a backslash escapes.
func (z *tokenizer) quoted(q byte) token {
	kind := tokenString
	if q == '`' {
		kind = tokenQuoted
	}
	var b strings.Builder
	for i := 1; i < len(z.s); i++ {
		switch c := z.s[i]; {
		case c == q && i+1 < len(z.s) && z.s[i+1] == q:
			b.WriteByte(q)
			i++
		case c == q:
			z.s = z.s[i+1:]
			return token{kind, b.String()}
		case c == '\\' && kind == tokenString && !z.plain && i+1 < len(z.s):
			i++
			b.WriteByte(z.s[i])
		default:
			b.WriteByte(c)
		}
	}
	z.s = ""
	return token{kind, b.String()}
}
