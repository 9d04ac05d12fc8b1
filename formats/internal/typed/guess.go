package typed

import (
	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// Guess is what the values of a column have told of its type, where nobody describes it. A type only ever gets wider. The zero
// Guess is a column that was always null.
type Guess changelog.Kind

// Widen takes a value in. It reports whether the type is another one now.
func (g *Guess) Widen(raw []byte) bool {
	was := *g
	*g = Guess(widen(changelog.Kind(was), kindOf(raw)))
	return *g != was
}

// kindOf tells the type of a raw value. A number that is not whole is a decimal, which has all its digits.
func kindOf(raw []byte) changelog.Kind {
	switch raw[0] {
	case 'n':
		return changelog.KindNull
	case 't', 'f':
		return changelog.KindBool
	case '"':
		return changelog.KindString
	case '{', '[':
		return changelog.KindJSON
	}
	if _, err := jsonx.Int(raw); err == nil {
		return changelog.KindInt
	}
	return changelog.KindDecimal
}

// widen gives the narrowest type that has all values of two.
func widen(a, b changelog.Kind) changelog.Kind {
	number := func(k changelog.Kind) bool { return k == changelog.KindInt || k == changelog.KindDecimal }
	switch {
	case a == b || b == changelog.KindNull:
		return a
	case a == changelog.KindNull:
		return b
	case number(a) && number(b):
		return changelog.KindDecimal
	}
	return changelog.KindJSON
}

// Column describes the column. Its values are read with Forms{Nested: true}.
func (g Guess) Column(name string) changelog.Column {
	c := changelog.Column{Name: name, Nullable: true}
	switch kind := changelog.Kind(g); kind {
	case changelog.KindBool:
		c.Type, c.SourceType = changelog.Type{Kind: kind}, "boolean"
	case changelog.KindInt:
		c.Type, c.SourceType = changelog.Type{Kind: kind, Bits: 64}, "bigint"
	case changelog.KindDecimal:
		c.Type, c.SourceType = changelog.Type{Kind: kind}, "numeric"
	case changelog.KindJSON:
		c.Type, c.SourceType = changelog.Type{Kind: kind}, "json"
	default:
		c.Type, c.SourceType = changelog.Type{Kind: changelog.KindString}, "text"
	}
	return c
}
