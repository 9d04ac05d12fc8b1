package debezium

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/big"
	"math/bits"
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
	"cdcbridge/internal/fault"
)

// decimal chooses how a decimal is written. A column without limits has values each with a scale of its own: 1.1 and 1.10
// are one key of it.
func (k compiler) decimal(c *column, in *changelog.Column) {
	c.scale = max(in.Type.Scale, 0) // below zero the text still has all its digits
	free := in.Type.Precision == 0
	switch k.cfg.DecimalHandlingMode {
	case decimalString:
		c.write(appendDecimalText, stringSchema)
		if free && k.key {
			c.append = appendTrimmedDecimal
		}
		// Debezium writes the names of its own constants.
		k.special(c, `"POSITIVE_INFINITY"`, `"NEGATIVE_INFINITY"`, `"NAN"`)
		return
	case decimalDouble:
		c.write(appendDecimalDouble, doubleSchema)
		k.special(c, `"Infinity"`, `"-Infinity"`, `"NaN"`)
		return
	}
	switch {
	case free:
		c.write(appendVariableScale, variableScaleSchema())
	case k.origin == postgres && in.SourceType == "money":
		c.write(appendDecimalPrecise, scaleSchema(k.cfg.MoneyFractionDigits))
		if c.scale != k.cfg.MoneyFractionDigits {
			c.append, c.scale = appendMoney, k.cfg.MoneyFractionDigits
		}
	default:
		c.write(appendDecimalPrecise, decimalSchema(in.Type.Precision-min(in.Type.Scale, 0), c.scale))
	}
	k.special(c, "", "", "")
}

func scaleSchema(scale int) schema {
	return bytesSchema.named("org.apache.kafka.connect.data.Decimal").with("scale", strconv.Itoa(scale))
}

func decimalSchema(precision, scale int) schema {
	return scaleSchema(scale).with("connect.decimal.precision", strconv.Itoa(precision))
}

func variableScaleSchema() schema {
	s := structSchema("io.debezium.data.VariableScaleDecimal", 1, int32Schema.as("scale"), bytesSchema.as("value"))
	s.doc = "Variable scaled decimal"
	return s
}

// appendMoney writes an amount with another number of fraction digits than the database has. Digits other than zero are
// never dropped.
func appendMoney(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	whole, fraction, _ := bytes.Cut(v.Bytes(), []byte{'.'})
	kept := min(len(fraction), c.scale)
	for _, digit := range fraction[kept:] {
		if digit != '0' {
			return dst, refuse(fault.UnsupportedType, "Set money_fraction_digits to what lc_monetary of the database has.",
				"an amount has more than %d fraction digits", c.scale)
		}
	}
	text := append([]byte{}, whole...)
	if c.scale > 0 {
		text = append(append(text, '.'), fraction[:kept]...)
		text = append(text, bytes.Repeat([]byte{'0'}, c.scale-kept)...)
	}
	return appendUnscaled(dst, text, c.scale)
}

func appendDecimalText(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	return jsonx.AppendString(dst, v.Bytes()), nil
}

func appendTrimmedDecimal(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	text, _ := trimFraction(v.Bytes())
	return jsonx.AppendString(dst, text), nil
}

// trimFraction drops zeros at the end of a fraction, and a point that is left without digits. It gives the number of
// fraction digits that are left.
func trimFraction(text []byte) ([]byte, int) {
	point := bytes.IndexByte(text, '.')
	if point < 0 {
		return text, 0
	}
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	if len(text) == point+1 {
		return text[:point], 0
	}
	return text, len(text) - point - 1
}

func appendDecimalDouble(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	var buf [96]byte // keeps the text off the heap, unless it is a giant
	f, err := strconv.ParseFloat(string(append(buf[:0], v.Bytes()...)), 64)
	if errors.Is(err, strconv.ErrRange) {
		return dst, refuse(fault.UnsupportedType, "Set decimal_handling_mode to precise or string.", "a decimal is beyond the range of a double")
	}
	if err != nil {
		return dst, malformed("%.100q is no decimal", v.Bytes())
	}
	return appendJavaDouble(dst, f), nil
}

// appendVariableScale writes io.debezium.data.VariableScaleDecimal, like Debezium without zeros at the end.
func appendVariableScale(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	text, scale := trimFraction(v.Bytes())
	dst = jsonx.AppendInt(append(dst, `{"scale":`...), int64(scale))
	dst, err := appendUnscaled(append(dst, `,"value":`...), text, scale)
	return append(dst, '}'), err
}

// chunk is the number of digits that are read into a machine word at once.
const chunk = 18

var pow10 = func() (p [chunk + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// appendDecimalPrecise writes org.apache.kafka.connect.data.Decimal: base64 of the unscaled number as the shortest
// big-endian two's complement. The text must have exactly the digits of the column's scale.
func appendDecimalPrecise(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	if !normal(v) {
		return appendForm(dst, c, v)
	}
	return appendUnscaled(dst, v.Bytes(), c.scale)
}

func appendUnscaled(dst, number []byte, scale int) ([]byte, error) {
	text, neg := number, false
	if len(text) > 0 && text[0] == '-' {
		text, neg = text[1:], true
	}
	point := len(text) - scale - 1
	if scale == 0 {
		point = len(text)
	} else if point < 0 || text[point] != '.' {
		return dst, malformed("%.100q does not have %d fraction digits", number, scale)
	}
	if len(text) == 0 {
		return dst, malformed("an empty decimal")
	}
	switch {
	case len(text) <= chunk:
		if word, ok := parseWord(text, point); ok {
			return appendWord(dst, word, neg), nil
		}
		return dst, malformed("%.100q is no decimal", number)
	case len(text) > maxWideDigits:
		return appendHugeDecimal(dst, number)
	}
	var n wide
	var word uint64
	digits := 0
	for i, ch := range text {
		if i == point {
			continue
		}
		d := ch - '0'
		if d > 9 {
			return dst, malformed("%.100q is no decimal", number)
		}
		if digits == chunk {
			n.mulAdd(pow10[chunk], word)
			word, digits = 0, 0
		}
		word = word*10 + uint64(d)
		digits++
	}
	n.mulAdd(pow10[digits], word)
	if neg {
		n.negate()
	}
	var buf [8 * len(n)]byte
	return jsonx.AppendBase64(dst, minimalBytes(n.bytes(buf[:]))), nil
}

// parseWord reads most numbers: those of one word.
func parseWord(text []byte, point int) (n int64, ok bool) {
	for i, ch := range text {
		if i == point {
			continue
		}
		if ch-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(ch-'0')
	}
	return n, true
}

// appendWord writes one word's bytes, and the base64 of them by itself.
func appendWord(dst []byte, n int64, neg bool) []byte {
	if neg {
		n = -n
	}
	size := bits.Len64(uint64(n^n>>63))/8 + 1
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	dst = append(dst, '"')
	for w := uint64(n) << (64 - 8*size); size > 0; w, size = w<<24, size-3 {
		dst = append(dst, digits[w>>58], digits[w>>52&63], digits[w>>46&63], digits[w>>40&63])
	}
	copy(dst[len(dst)+size:], "==") // for the bytes that the last three lacked
	return append(dst, '"')
}

// appendHugeDecimal is for numbers that only a PostgreSQL column can hold.
func appendHugeDecimal(dst, number []byte) ([]byte, error) {
	digits := make([]byte, 0, len(number))
	for _, ch := range number {
		if ch != '.' {
			digits = append(digits, ch)
		}
	}
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok {
		return dst, malformed("%.100q is no decimal", number)
	}
	raw := make([]byte, len(digits)/2+2) // more than log2(10)/8 bytes a digit
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	return jsonx.AppendBase64(dst, minimalBytes(n.FillBytes(raw))), nil
}

// wide is a 256-bit number in two's complement, least significant word first.
type wide [4]uint64

// maxWideDigits is how many characters of a decimal's text surely fit: 76 digits are less than 2^255.
const maxWideDigits = 76

// mulAdd makes n·m + a of a number that is not negative.
func (n *wide) mulAdd(m, a uint64) {
	for i := range n {
		hi, lo := bits.Mul64(n[i], m)
		var carry uint64
		n[i], carry = bits.Add64(lo, a, 0)
		a = hi + carry
	}
}

func (n *wide) negate() {
	carry := uint64(1)
	for i := range n {
		n[i], carry = bits.Add64(^n[i], 0, carry)
	}
}

// bytes stores n big-endian in buf, which has room for exactly that.
func (n *wide) bytes(buf []byte) []byte {
	for i, w := range n {
		binary.BigEndian.PutUint64(buf[len(buf)-8*(i+1):], w)
	}
	return buf
}

// minimalBytes drops the leading bytes of a big-endian two's complement that only repeat its sign.
func minimalBytes(p []byte) []byte {
	for len(p) > 1 && (p[0] == 0 && p[1] < 0x80 || p[0] == 0xFF && p[1] >= 0x80) {
		p = p[1:]
	}
	return p
}
