package canal

import (
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// misreading is a character set whose text Canal reads as if it were UTF-8.
type misreading struct {
	enc   encoding.Encoding
	ascii bool // the characters of ASCII are their own bytes
}

// misread finds the character set by MySQL's name; nil: Canal reads its text right, or we do not know what it makes of it (dec8,
// hp8, swe7, armscii8, geostd8, keybcs2, macce).
func misread(charset string) *misreading {
	if enc := wide[charset]; enc != nil {
		return &misreading{enc: enc}
	}
	if enc := charsets[charset]; enc != nil {
		return &misreading{enc: enc, ascii: true}
	}
	return nil
}

var wide = map[string]encoding.Encoding{
	"utf16": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "utf16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"ucs2": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "utf32": utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
}

var charsets = map[string]encoding.Encoding{
	"latin1": charmap.Windows1252, "latin2": charmap.ISO8859_2, "latin5": charmap.ISO8859_9, "latin7": charmap.ISO8859_13,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257,
	"cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp866": charmap.CodePage866, "koi8r": charmap.KOI8R,
	"koi8u": charmap.KOI8U, "macroman": charmap.Macintosh, "hebrew": charmap.ISO8859_8, "greek": charmap.ISO8859_7,
	"tis620": charmap.Windows874, "gbk": simplifiedchinese.GBK, "gb2312": simplifiedchinese.GBK, "gb18030": simplifiedchinese.GB18030,
	"big5": traditionalchinese.Big5, "sjis": japanese.ShiftJIS, "cp932": japanese.ShiftJIS, "ujis": japanese.EUCJP,
	"eucjpms": japanese.EUCJP, "euckr": korean.EUCKR,
}

// encode gives the text's bytes in the character set. What that lacks cannot come from a column of it; it becomes the set's
// replacement.
func (m *misreading) encode(text []byte) []byte {
	out, err := encoding.ReplaceUnsupported(m.enc.NewEncoder()).Bytes(text)
	if err != nil { // the text is no UTF-8
		return text
	}
	return out
}
