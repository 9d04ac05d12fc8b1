package debezium

import (
	"math"

	"cdcbridge/changelog"
	"cdcbridge/formats/internal/jsonx"
)

// bitString chooses how bit and bit varying are written. Of one bit they are booleans, and else io.debezium.data.Bits,
// which for bit varying does not tell how many zeros a value begins with: that would merge keys.
func (k compiler) bitString(c *column, in *changelog.Column) {
	c.bits = in.Type.Bits
	switch {
	case k.key && !in.Type.Fixed:
		c.write(appendBitText, stringSchema)
	case c.bits == 1:
		c.write(appendBitFlag, booleanSchema)
	case in.Type.Fixed:
		c.write(appendBitString, bitsSchema(c.bits))
		c.bytes = (c.bits + 7) / 8
	case c.bits == 0:
		c.write(appendBitString, bitsSchema(math.MaxInt32))
	default:
		c.write(appendBitString, bitsSchema(c.bits))
	}
}

func appendBitFlag(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	switch string(v.Bytes()) {
	case "1":
		return append(dst, "true"...), nil
	case "0", "":
		return append(dst, "false"...), nil
	}
	return dst, malformed("%.100q is no single bit", v.Bytes())
}

func appendBitText(dst []byte, _ *column, v *changelog.Value) ([]byte, error) {
	return jsonx.AppendString(dst, v.Bytes()), nil
}

// appendBitString writes the bits as a little-endian number, the first bit being the highest, without zero bytes at its end. That of
// bit(n) has n bits all the same, where MySQL's BIT(n) has its bytes.
func appendBitString(dst []byte, c *column, v *changelog.Value) ([]byte, error) {
	text := v.Bytes()
	if c.bytes > 0 && len(text) != c.bits {
		return dst, malformed("%d bits in a column of %d", len(text), c.bits)
	}
	from := len(dst)
	for end := len(text); end > 0; end -= 8 {
		var b byte
		for _, ch := range text[max(end-8, 0):end] {
			if ch != '0' && ch != '1' {
				return dst, malformed("%.100q is no bit string", text)
			}
			b = b<<1 | ch&1
		}
		dst = append(dst, b)
	}
	for len(dst) > from && dst[len(dst)-1] == 0 {
		dst = dst[:len(dst)-1]
	}
	return jsonx.Requote(dst, from, jsonx.AppendBase64), nil
}
