package jsonx

import (
	"errors"
	"math"
)

// Index is a JSON object taken apart in one pass: its fields, and the fields of objects in it down to some depth. The zero
// Index is ready for use; it keeps its memory from one document to the next, and borrows from the last one.
//
//	for n := 0; n < x.Len(); n = x.Next(n) {        // the fields of the document
//		for m := n + 1; m < x.Next(n); m = x.Next(m) { // the fields of the field's value, if that is an object
type Index struct {
	doc   []byte
	nodes []node
}

// node is one field. Positions are those of the document.
type node struct {
	nameFrom, nameTo int32 // within the quotes
	from, to         int32 // the value
	next             int32 // the node behind this one and all that are in it
	escaped          bool  // the name has escapes
}

var errTooLong = errors.New("a JSON document of more than 2 GiB")

// Parse takes doc apart, which must be one valid JSON object with nothing but white space around it. Objects that are the
// value of a field are taken apart as well, to the given depth: 1 is the fields of doc alone. A name that occurs twice is
// there twice.
func (x *Index) Parse(doc []byte, depth int) error {
	x.doc, x.nodes = doc, x.nodes[:0]
	if len(doc) > math.MaxInt32 {
		return errTooLong
	}
	i := skipSpace(doc, 0)
	if i >= len(doc) || doc[i] != '{' {
		s := scanner{doc: doc, pos: i}
		return s.unexpected("an object")
	}
	if i = x.object(i+1, 1, depth); i >= 0 && skipSpace(doc, i) == len(doc) {
		return nil
	}
	x.nodes = x.nodes[:0]
	if err := Check(doc); err != nil {
		return err
	}
	return errDepth // what the scanner takes and we do not: cannot be, and must not pass if it is
}

// object takes the rest of an object apart whose opening brace is before i, and gives the position behind it or -1. level
// is the number of objects that are open.
func (x *Index) object(i, level, depth int) int {
	doc := x.doc
	i = skipSpace(doc, i)
	if i < len(doc) && doc[i] == '}' {
		return i + 1
	}
	for i < len(doc) && doc[i] == '"' {
		at := len(x.nodes)
		nameFrom := i + 1
		if i = skipString(doc, nameFrom); i < 0 {
			return -1
		}
		nameTo := i - 1
		if i = skipColon(doc, i); i < 0 || i >= len(doc) {
			return -1
		}
		from := i
		x.nodes = append(x.nodes, node{nameFrom: int32(nameFrom), nameTo: int32(nameTo), from: int32(from), escaped: hasEscape(doc[nameFrom:nameTo])})
		if doc[i] == '{' && level < depth {
			i = x.object(i+1, level+1, depth)
		} else {
			i = skipValue(doc, i, level)
		}
		if i < 0 {
			return -1
		}
		x.nodes[at].to, x.nodes[at].next = int32(i), int32(len(x.nodes))
		i = skipSpace(doc, i)
		if i < len(doc) && doc[i] == '}' {
			return i + 1
		}
		if i >= len(doc) || doc[i] != ',' {
			return -1
		}
		i = skipSpace(doc, i+1)
	}
	return -1
}

func hasEscape(p []byte) bool {
	for _, c := range p {
		if c == '\\' {
			return true
		}
	}
	return false
}

// Len is the number of fields, those of objects within included.
func (x *Index) Len() int { return len(x.nodes) }

// Next is the field behind field n and all that is in it.
func (x *Index) Next(n int) int { return int(x.nodes[n].next) }

// Name is the unescaped name of field n. It is part of the document unless it has escapes.
func (x *Index) Name(n int) []byte {
	f := &x.nodes[n]
	name := x.doc[f.nameFrom:f.nameTo]
	if f.escaped {
		return unescape(make([]byte, 0, len(name)), name)
	}
	return name
}

// Value is the raw value of field n, a part of the document.
func (x *Index) Value(n int) []byte {
	f := &x.nodes[n]
	return x.doc[f.from:f.to:f.to]
}

// Start is where the value of field n begins in the document.
func (x *Index) Start(n int) int { return int(x.nodes[n].from) }
