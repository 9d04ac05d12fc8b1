package schema

import (
	"fmt"
	"strings"
)

// context is what a statement is understood by, beyond the tables.
type context struct {
	server  *Server
	session *Session
}

// widths are the bytes of the longest character, of the character sets where that is not one.
var widths = map[string]int{
	"utf8mb4": 4, "utf8mb3": 3, "utf8": 3, "ucs2": 2, "utf16": 4, "utf16le": 4, "utf32": 4, "big5": 2, "gbk": 2, "sjis": 2, "cp932": 2,
	"euckr": 2, "gb2312": 2, "ujis": 3, "eucjpms": 3, "gb18030": 4, "filename": 5,
}

func width(charset string) int {
	if w := widths[charset]; w > 0 {
		return w
	}
	return 1
}

// alias gives the other name of what is called utf8 in some releases and utf8mb3 in others.
func alias(name string) string {
	switch {
	case name == "utf8" || strings.HasPrefix(name, "utf8_"):
		return "utf8mb3" + name[4:]
	case name == "utf8mb3" || strings.HasPrefix(name, "utf8mb3_"):
		return "utf8" + name[7:]
	}
	return name
}

// charset gives a character set's name as the server calls it.
func (c context) charset(name string) (string, error) {
	for _, n := range []string{name, alias(name)} {
		if c.server.Defaults[n] != "" {
			return n, nil
		}
	}
	return "", fmt.Errorf("the server has no character set %s", name)
}

// charsetOf gives the character set of a collation that the server has.
func (c context) charsetOf(collation string) string { return c.server.Collations[collation] }

// defaultOf gives the default collation of a character set.
func (c context) defaultOf(name string) (string, error) {
	cs, err := c.charset(name)
	if err != nil {
		return "", err
	}
	if cs == "utf8mb4" && c.session.UTF8MB4 != "" {
		return c.session.UTF8MB4, nil
	}
	if d := c.session.Defaults[cs]; d != "" {
		return d, nil
	}
	return c.server.Defaults[cs], nil
}

// collation gives a collation's name as the server calls it. MariaDB's collations of any character set need the one that they
// are meant for.
func (c context) collation(name, charset string) (string, error) {
	for _, n := range []string{name, alias(name), charset + "_" + name} {
		if c.server.Collations[n] != "" {
			return n, nil
		}
	}
	if name == "binary" { // COLLATE binary
		return name, nil
	}
	return "", fmt.Errorf("the server has no collation %s", name)
}

// binaryOf gives the collation of a character set that compares codes.
func (c context) binaryOf(charset string) (string, error) {
	if charset == "binary" {
		return charset, nil
	}
	return c.collation(charset+"_bin", charset)
}

// choose gives the collation of what is created with a choice, where inherited is the collation of what it is in.
func (c context) choose(o charsetChoice, inherited string) (string, error) {
	charset := c.charsetOf(inherited)
	if o.charset != "" {
		cs, err := c.charset(o.charset)
		if err != nil {
			return "", err
		}
		if charset = cs; o.collation == "" && !o.binary {
			return c.defaultOf(cs)
		}
	}
	switch {
	case o.collation != "":
		return c.collation(o.collation, charset)
	case o.binary:
		return c.binaryOf(charset)
	}
	return inherited, nil
}

// ofTable gives the default collation that options say, where inherited is what holds without them.
func (c context) ofTable(o tableOptions, inherited, base string) (string, error) {
	choice := charsetChoice{charset: o.charset, collation: o.collation}
	if choice.collation == "default" {
		choice.collation = ""
	}
	if choice.charset == "default" {
		if choice.charset, inherited = "", base; c.server.MariaDB {
			inherited = c.server.Defaults[c.charsetOf(base)]
		}
	}
	return c.choose(choice, inherited)
}
