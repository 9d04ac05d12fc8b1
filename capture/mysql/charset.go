package mysql

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"cdcbridge/changelog"
	"cdcbridge/internal/fault"
)

// charset turns text of one MySQL character set into UTF-8, as the server's own conversion does.
type charset struct {
	name   string
	maxLen int // bytes of the longest character: what a declared length in characters is multiplied by

	// ascii says that the bytes 0-127 are ASCII and begin no longer character, so that text of only those needs no work.
	ascii bool
	// next reads the character at the front of p, which is not empty. A rune of -1 is one that has no UTF-8.
	next func(c *charset, p []byte) (r rune, n int)

	one              []uint16 // code tables, see charset_table.go; empty for the Unicode encodings
	two, three, four []uint16
}

// collationBinary is the pseudo-collation of BINARY, VARBINARY and BLOB columns.
const collationBinary = 63

// collationRun says which character set the collations from first to last have.
type collationRun struct {
	first, last uint32
	charset     string
}

// collationRunsMariaDB are the collations that only MariaDB has: those with numbers from 2048 on are its 1400 ones, of which a
// character set has 200 and room for 256.
var collationRunsMariaDB = []collationRun{
	{576, 607, "utf8mb3"}, {608, 639, "utf8mb4"}, {640, 671, "ucs2"}, {672, 703, "utf16"}, {736, 767, "utf32"},
	{2048, 2303, "utf8mb3"}, {2304, 2559, "utf8mb4"}, {2560, 2815, "ucs2"}, {2816, 3071, "utf16"}, {3072, 3327, "utf32"},
}

// charsetName finds the character set of a collation, "" when there is none. No number means two character sets in the two
// products. MariaDB's collations without padding have the numbers of those with padding and 1024 more.
func charsetName(collation uint32) string {
	for _, runs := range [][]collationRun{collationRuns, collationRunsMariaDB} {
		for _, r := range runs {
			if r.first <= collation && collation <= r.last {
				return r.charset
			}
		}
	}
	const nopad = 1024
	if nopad < collation && collation < 2*nopad {
		return charsetName(collation - nopad)
	}
	return ""
}

// charsetOf gives the character set of a collation.
func charsetOf(collation uint32) (*charset, error) {
	name := charsetName(collation)
	if name == "" {
		return nil, fault.NewFinal(fault.UnsupportedType, "preparing a table's decoder", fmt.Errorf("the collation number %d is unknown", collation),
			"This release does not know the collation. Convert the column to utf8mb4, leave the table out of tables, or upgrade cdcbridge.")
	}
	c := &charset{name: name, maxLen: charsetMaxLen[name]}
	switch name {
	case "utf8mb4", "utf8mb3":
		c.ascii = true // and without next: see text
	case "ucs2":
		c.next = nextUCS2
	case "utf16":
		c.next = nextUTF16
	case "utf16le":
		c.next = nextUTF16LE
	case "utf32":
		c.next = nextUTF32
	default:
		return c, c.load()
	}
	return c, nil
}

// text gives raw as UTF-8. The result borrows from raw if nothing had to be changed, else it lives in the batch.
// A character that Unicode lacks becomes a question mark, as in every result that the server converts.
func (c *charset) text(b *changelog.Batch, raw []byte) ([]byte, error) {
	if c.ascii && isASCII(raw) {
		return raw, nil
	}
	if c.next == nil {
		if !utf8.Valid(raw) {
			return nil, fmt.Errorf("%s text with the invalid bytes %.40x", c.name, raw)
		}
		return raw, nil
	}
	size := 0
	for p := raw; len(p) > 0; {
		r, n := c.next(c, p)
		size += runeSize(r)
		p = p[n:]
	}
	dst := b.Grab(size)[:0]
	for p := raw; len(p) > 0; {
		r, n := c.next(c, p)
		if r < 0 {
			r = '?'
		}
		dst = utf8.AppendRune(dst, r)
		p = p[n:]
	}
	return dst, nil
}

// label converts text of the TABLE_MAP itself into memory of its own.
func (c *charset) label(raw []byte) ([]byte, error) {
	b := changelog.NewBatch()
	defer b.Release()
	p, err := c.text(b, raw)
	return append(make([]byte, 0, len(p)), p...), err
}

func runeSize(r rune) int {
	if r < 0 {
		return 1
	}
	return utf8.RuneLen(r)
}

// isASCII looks at eight bytes at a time, of which the last may overlap those before.
func isASCII(p []byte) bool {
	const high = 0x8080808080808080
	switch {
	case len(p) < 4:
		return littleEndian(p)&high == 0
	case len(p) < 8:
		return uint64(binary.LittleEndian.Uint32(p)|binary.LittleEndian.Uint32(p[len(p)-4:]))&high == 0
	}
	for i := 0; i < len(p)-8; i += 8 {
		if binary.LittleEndian.Uint64(p[i:])&high != 0 {
			return false
		}
	}
	return binary.LittleEndian.Uint64(p[len(p)-8:])&high == 0
}
