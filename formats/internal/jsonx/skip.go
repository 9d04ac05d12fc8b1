package jsonx

import (
	"encoding/binary"
	"math/bits"
)

// The functions of this file step over valid JSON as fast as they can, and answer -1 for anything else: the scanner then
// finds out what it is. They take a position in doc and give the one behind what they stepped over.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\t' || doc[i] == '\r') {
		i++
	}
	return i
}

// skipValue steps over a value that begins at i. depth counts the objects and arrays around it.
func skipValue(doc []byte, i, depth int) int {
	if i >= len(doc) || depth >= maxDepth {
		return -1
	}
	switch c := doc[i]; c {
	case '"':
		return skipString(doc, i+1)
	case '{':
		return skipObject(doc, i+1, depth+1)
	case '[':
		return skipArray(doc, i+1, depth+1)
	case 'n':
		return skipWord(doc, i, "null")
	case 't':
		return skipWord(doc, i, "true")
	case 'f':
		return skipWord(doc, i, "false")
	}
	return skipNumber(doc, i)
}

func skipWord(doc []byte, i int, word string) int {
	if n := i + len(word); n <= len(doc) && string(doc[i:n]) == word {
		return n
	}
	return -1
}

func skipNumber(doc []byte, i int) int {
	if i < len(doc) && doc[i] == '-' {
		i++
	}
	if i < len(doc) && doc[i] == '0' {
		i++
	} else if i = skipDigits(doc, i); i < 0 {
		return -1
	}
	if i < len(doc) && doc[i] == '.' {
		if i = skipDigits(doc, i+1); i < 0 {
			return -1
		}
	}
	if i < len(doc) && doc[i]|0x20 == 'e' {
		if i++; i < len(doc) && (doc[i] == '+' || doc[i] == '-') {
			i++
		}
		return skipDigits(doc, i)
	}
	return i
}

// skipDigits steps over one digit at least.
func skipDigits(doc []byte, i int) int {
	from := i
	for i < len(doc) && doc[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// skipString steps over the rest of a string literal whose opening quote is before i.
func skipString(doc []byte, i int) int {
	for {
		for ; i+8 <= len(doc); i += 8 {
			w := binary.LittleEndian.Uint64(doc[i:])
			quote, slash := w^ones*'"', w^ones*'\\'
			// The high bit of a byte tells: byte < 0x20, byte == '"', byte == '\\'. A borrow can raise false alarms above a
			// true one only, and the lowest is what counts.
			if m := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
		}
		for i < len(doc) && doc[i] >= 0x20 && doc[i] != '"' && doc[i] != '\\' {
			i++
		}
		switch {
		case i >= len(doc) || doc[i] < 0x20:
			return -1
		case doc[i] == '"':
			return i + 1
		}
		if i = skipEscape(doc, i+1); i < 0 {
			return -1
		}
	}
}

// skipEscape steps over what follows a backslash.
func skipEscape(doc []byte, i int) int {
	if i >= len(doc) {
		return -1
	}
	switch doc[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(doc) {
			return -1
		}
		for _, c := range doc[i+1 : i+5] {
			if hexValue(c) < 0 {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

// skipObject steps over the rest of an object whose opening brace is before i.
func skipObject(doc []byte, i, depth int) int {
	i = skipSpace(doc, i)
	if i < len(doc) && doc[i] == '}' {
		return i + 1
	}
	for i < len(doc) && doc[i] == '"' {
		if i = skipString(doc, i+1); i < 0 {
			return -1
		}
		if i = skipColon(doc, i); i < 0 {
			return -1
		}
		if i = skipValue(doc, i, depth); i < 0 {
			return -1
		}
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

// skipColon steps over a colon and the white space around it.
func skipColon(doc []byte, i int) int {
	i = skipSpace(doc, i)
	if i >= len(doc) || doc[i] != ':' {
		return -1
	}
	return skipSpace(doc, i+1)
}

// skipArray steps over the rest of an array whose opening bracket is before i.
func skipArray(doc []byte, i, depth int) int {
	i = skipSpace(doc, i)
	if i < len(doc) && doc[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(doc, i, depth); i < 0 {
			return -1
		}
		i = skipSpace(doc, i)
		if i < len(doc) && doc[i] == ']' {
			return i + 1
		}
		if i >= len(doc) || doc[i] != ',' {
			return -1
		}
		i = skipSpace(doc, i+1)
	}
}
