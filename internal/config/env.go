package config

import (
	"fmt"
	"strings"
)

// expand replaces ${NAME} by the environment's value, which must exist, and ${NAME:-text} by it or, when it is unset or
// empty, by text. $$ is one dollar sign; any other dollar sign stands for itself. replaced tells whether anything came
// from a ${…}. The error names variables and never shows a value.
func expand(s string, lookup func(string) (string, bool)) (out string, replaced bool, err error) {
	if !strings.Contains(s, "$") {
		return s, false, nil
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i == len(s)-1 {
			b.WriteString(s)
			return b.String(), replaced, nil
		}
		b.WriteString(s[:i])
		s = s[i:]
		switch s[1] {
		case '$':
			b.WriteByte('$')
			s = s[2:]
		case '{':
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return "", false, fmt.Errorf("has ${ without }; write $$ for a dollar sign")
			}
			value, err := variable(s[2:end], lookup)
			if err != nil {
				return "", false, err
			}
			b.WriteString(value)
			replaced = true
			s = s[end+1:]
		default:
			b.WriteByte('$')
			s = s[1:]
		}
	}
}

func variable(expr string, lookup func(string) (string, bool)) (string, error) {
	name, fallback, hasFallback := strings.Cut(expr, ":-")
	if !validName(name) {
		return "", badVariable(expr)
	}
	value, ok := lookup(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !ok:
		return "", fmt.Errorf("environment variable %s is not set; set it or write ${%s:-default}", name, name)
	}
	return value, nil
}

// badVariable is what stands in ${…} and can be no variable. It may be a part of a secret that has a dollar sign.
type badVariable string

func (b badVariable) Error() string {
	return fmt.Sprintf("${%s} is not the name of an environment variable; write ${NAME} or ${NAME:-default}, and $$ for a dollar sign", string(b))
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
