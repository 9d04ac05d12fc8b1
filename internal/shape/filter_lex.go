package shape

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenWord             // a word without quotes: a name or a keyword
	tokenName             // a name in quotes
	tokenText             // a text in quotes
	tokenNumber           // as it is written
	tokenSign             // one of signs
	tokenBad
)

// token is one word or sign of a condition.
type token struct {
	kind tokenKind
	text string // without quotes; of tokenBad: what is wrong
	at   int    // characters before it, from 1
}

func (t *token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenText:
		return "the text '" + t.text + "'"
	}
	return t.text
}

// is reports a keyword, in any case.
func (t *token) is(word string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, word) }

// lexer cuts a condition into tokens.
type lexer struct {
	text string
	pos  int // bytes
}

// signs, the longer ones first.
var signs = []string{"<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "-", "+"}

func (l *lexer) token() token {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
	t := token{at: utf8.RuneCountInString(l.text[:l.pos]) + 1}
	rest := l.text[l.pos:]
	if rest == "" {
		return t
	}
	switch first, _ := utf8.DecodeRuneInString(rest); {
	case rest[0] == '\'':
		t.kind, t.text = l.quoted(tokenText)
	case rest[0] == '"' || rest[0] == '`':
		t.kind, t.text = l.quoted(tokenName)
	case rest[0] >= '0' && rest[0] <= '9' || rest[0] == '.':
		t.kind, t.text = tokenNumber, l.while(func(r rune, before byte) bool {
			return r == '.' || isWord(r) || (r == '-' || r == '+') && (before == 'e' || before == 'E')
		})
	case isWord(first):
		t.kind, t.text = tokenWord, l.while(func(r rune, _ byte) bool { return isWord(r) })
	default:
		for _, s := range signs {
			if strings.HasPrefix(rest, s) {
				l.pos += len(s)
				t.kind, t.text = tokenSign, s
				return t
			}
		}
		t.kind, t.text = tokenBad, fmt.Sprintf("%q has no meaning here", first)
	}
	return t
}

func isWord(r rune) bool {
	return r == '_' || r == '$' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// while takes characters as long as more says so, which is told the byte before each.
func (l *lexer) while(more func(r rune, before byte) bool) string {
	from := l.pos
	for l.pos < len(l.text) {
		before := byte(0)
		if l.pos > from {
			before = l.text[l.pos-1]
		}
		r, size := utf8.DecodeRuneInString(l.text[l.pos:])
		if !more(r, before) {
			break
		}
		l.pos += size
	}
	return l.text[from:l.pos]
}

// quoted takes what stands in quotes, where the quote itself is written twice.
func (l *lexer) quoted(kind tokenKind) (tokenKind, string) {
	quote := l.text[l.pos : l.pos+1]
	var b strings.Builder
	for rest := l.text[l.pos+1:]; ; {
		part, after, ok := strings.Cut(rest, quote)
		if !ok {
			return tokenBad, "the quote " + quote + " has no end"
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, quote) {
			l.pos = len(l.text) - len(after)
			if kind == tokenName && b.Len() == 0 {
				return tokenBad, "a name is empty"
			}
			return kind, b.String()
		}
		b.WriteString(quote)
		rest = after[1:]
	}
}
