package upsert

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"cdcbridge/changelog"
)

// TopicName fills a topic template and makes the result a legal topic name.
func TopicName(template, pipeline string, t *changelog.Table) string {
	return legalTopic(fillTemplate(template, pipeline, t))
}

// fillTemplate puts in what is the same for all rows of a table.
func fillTemplate(template, pipeline string, t *changelog.Table) string {
	return strings.NewReplacer("{pipeline}", pipeline, "{database}", t.Database, "{schema}", t.Namespace(), "{table}", t.Name).Replace(template)
}

// legalTopic makes a text a legal topic name as Debezium does: every UTF-16 unit outside of [A-Za-z0-9._-] becomes an
// underscore, and names are cut to 249 characters.
func legalTopic(name string) string {
	return string(appendLegal(make([]byte, 0, len(name)), []byte(name)))
}

// appendLegal appends the legal name that a text becomes.
func appendLegal(dst, name []byte) []byte {
	start := len(dst)
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		name = name[n:]
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			dst = append(dst, byte(r))
		default:
			for range max(utf16.RuneLen(r), 1) {
				dst = append(dst, '_')
			}
		}
	}
	dst = dst[:min(len(dst), start+maxTopicName)]
	if dots := string(dst[start:]); dots == "." || dots == ".." {
		for i := range dots {
			dst[start+i] = '_'
		}
	}
	return dst
}

const maxTopicName = 249
