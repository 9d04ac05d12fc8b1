package debezium

import (
	"strconv"
	"unicode"
	"unicode/utf16"
)

// Values of Config.SchemaNameAdjustmentMode and Config.FieldNameAdjustmentMode.
const (
	adjustNone    = "none"
	adjustAvro    = "avro"         // what no name in Avro may have becomes an underscore
	adjustUnicode = "avro_unicode" // it becomes _uXXXX, and so does the underscore
)

// adjustName makes a name that Avro allows, by Debezium's rules. dots says that the name is one of a schema, which may have
// parts. Like Debezium's, it works on UTF-16: a character beyond U+FFFF is two.
func adjustName(mode, name string, dots bool) string {
	if mode == adjustNone || name == "" {
		return name
	}
	var out []uint16
	for i, c := range utf16.Encode([]rune(name)) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_' && mode == adjustAvro:
			out = append(out, c)
		case i > 0 && (c >= '0' && c <= '9' || c == '.' && dots):
			out = append(out, c)
		case mode == adjustUnicode:
			out = append(out, utf16.Encode([]rune(escapeUnit(c)))...)
		case i == 0 && unicode.IsDigit(rune(c)):
			out = append(out, '_', c)
		default:
			out = append(out, '_')
		}
	}
	return string(utf16.Decode(out))
}

// escapeUnit has four digits for what has one or two bytes in ISO 8859-1, and as many as it needs otherwise: so does Debezium.
func escapeUnit(c uint16) string {
	digits := strconv.FormatUint(uint64(c), 16)
	if len(digits) <= 2 {
		digits = "00" + digits
	}
	return "_u" + digits
}

// topicName makes a name that Kafka allows, by Debezium's rules: what others use of it must stay what it was there.
func topicName(name string) string {
	const longest = 249
	units := utf16.Encode([]rune(name))
	out := make([]byte, 0, len(units))
	for _, c := range units {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			out = append(out, byte(c))
		default:
			out = append(out, '_')
		}
	}
	if len(out) > longest {
		return string(out[:longest])
	}
	switch string(out) {
	case ".", "..":
		return "__"[:len(out)]
	}
	return string(out)
}
