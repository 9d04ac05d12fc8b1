package postgres

import (
	"bytes"

	"cdcbridge/changelog"
)

func prepareHstore(c *columnType, _ int32) error {
	c.typ.Kind, c.decode = changelog.KindMap, decodeHstore
	return nil
}

// decodeHstore reads `"a"=>"1", "b"=>NULL`: keys and values are always quoted, with backslashes before quotes and backslashes.
func decodeHstore(c *columnType, text []byte, dst *changelog.Value, b *changelog.Batch) error {
	if len(text) == 0 {
		*dst = changelog.Map(nil)
		return nil
	}
	n := countPairs(text)
	if n == 0 {
		return malformed(text, c.source)
	}
	pairs := []changelog.Value(b.NewRow(2 * n))
	rest, ok := text, false
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			if rest, ok = bytes.CutPrefix(rest, []byte(", ")); !ok {
				return malformed(text, c.source)
			}
		}
		end := endOfHstoreText(rest)
		if end < 0 {
			return malformed(text, c.source)
		}
		if err := decodeText(c, unescape(rest[1:end], b), &pairs[i], b); err != nil {
			return err
		}
		if rest, ok = bytes.CutPrefix(rest[end+1:], []byte("=>")); !ok {
			return malformed(text, c.source)
		}
		if after, null := bytes.CutPrefix(rest, []byte("NULL")); null {
			rest = after
			continue
		}
		if end = endOfHstoreText(rest); end < 0 {
			return malformed(text, c.source)
		}
		if err := decodeText(c, unescape(rest[1:end], b), &pairs[i+1], b); err != nil {
			return err
		}
		rest = rest[end+1:]
	}
	if len(rest) > 0 {
		return malformed(text, c.source)
	}
	*dst = changelog.Map(pairs)
	return nil
}

func endOfHstoreText(p []byte) int {
	if len(p) == 0 || p[0] != '"' {
		return -1
	}
	return endOfQuoted(p)
}

// countPairs counts the arrows outside of quotes; 0 when a quote does not end.
func countPairs(p []byte) int {
	n := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '"':
			end := endOfQuoted(p[i:])
			if end < 0 {
				return 0
			}
			i += end
		case '>':
			n++
		}
	}
	return n
}
