package mysql

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// charsetFiles are the code tables of the character sets that are not Unicode encodings. They were asked from real servers,
// code by code (integration/mysqltypes/regenerate.sh), because MySQL's tables are nobody else's: its latin1 is cp1252 with
// five more characters, its euckr is cp949, its sjis and cp932 disagree about the wave dash.
//
// A file is gzip of planes. A plane is a byte that names it and its entries of two bytes, little-endian: a code point, or 0
// for a code that the character set does not have. A code that it has and Unicode does not is the question mark that the
// server shows for it.
//
//	1  256 codes of one byte
//	2  65536 codes of two bytes, by their value
//	3  65536 codes of three bytes that begin with 0x8F, by the value of the other two
//	4  39420 codes of four bytes of GB18030, in their order; those of the supplementary planes are computed
//
//go:embed charsets/*.gz
var charsetFiles embed.FS

var planeSize = map[byte]int{1: 256, 2: 65536, 3: 65536, 4: 39420}

var loaded sync.Map // name of a character set: *charset with its tables

// load fills in the tables, which all columns and pipelines of the process share.
func (c *charset) load() error {
	if have, ok := loaded.Load(c.name); ok {
		*c = *have.(*charset)
		return nil
	}
	packed, err := charsetFiles.ReadFile("charsets/" + c.name + ".gz")
	if err != nil {
		return fmt.Errorf("loading the character set %s: %w", c.name, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return fmt.Errorf("loading the character set %s: %w", c.name, err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("loading the character set %s: %w", c.name, err)
	}
	for len(raw) > 0 {
		n := planeSize[raw[0]]
		if n == 0 || len(raw) < 1+2*n {
			return fmt.Errorf("loading the character set %s: a plane is cut short", c.name)
		}
		table := make([]uint16, n)
		for i := range table {
			table[i] = binary.LittleEndian.Uint16(raw[1+2*i:])
		}
		switch raw[0] {
		case 1:
			c.one = table
		case 2:
			c.two = table
		case 3:
			c.three = table
		case 4:
			c.four = table
		}
		raw = raw[1+2*n:]
	}
	c.next = nextInTable
	c.ascii = true
	for i := range 128 {
		c.ascii = c.ascii && c.one[i] == uint16(i)
	}
	loaded.Store(c.name, c)
	return nil
}

// nextInTable takes the shortest code that the tables have.
func nextInTable(c *charset, p []byte) (rune, int) {
	if u := c.one[p[0]]; u != 0 || p[0] == 0 {
		return rune(u), 1
	}
	if c.two != nil && len(p) >= 2 {
		if u := c.two[int(p[0])<<8|int(p[1])]; u != 0 {
			return rune(u), 2
		}
	}
	if c.three != nil && len(p) >= 3 && p[0] == 0x8F {
		if u := c.three[int(p[1])<<8|int(p[2])]; u != 0 {
			return rune(u), 3
		}
	}
	if c.four != nil && len(p) >= 4 && p[0] >= 0x81 && isDigit(p[1]) && p[2] >= 0x81 && isDigit(p[3]) {
		return c.nextFour(p), 4
	}
	return -1, 1
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// nextFour reads a code of four bytes of GB18030: a number whose digits have the bases 126, 10, 126, 10.
func (c *charset) nextFour(p []byte) rune {
	i := ((int(p[0])-0x81)*10+int(p[1])-'0')*1260 + (int(p[2])-0x81)*10 + int(p[3]) - '0'
	const supplementary = (0x90 - 0x81) * 12600 // 90 30 81 30 is U+10000
	if i >= supplementary && i < supplementary+0x100000 {
		return rune(0x10000 + i - supplementary)
	}
	if i < len(c.four) && c.four[i] != 0 {
		return rune(c.four[i])
	}
	return -1
}
