package kafkawire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec says how the records section of a batch is compressed. The values are Kafka's.
type Codec int8

// Kafka's codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String returns the name that Kafka's configuration uses.
func (c Codec) String() string {
	if c < 0 || int(c) >= len(codecNames) {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return codecNames[c]
}

// ParseCodec returns the codec with the given name of Kafka's configuration.
func ParseCodec(name string) (Codec, error) {
	for i, n := range codecNames {
		if n == name {
			return Codec(i), nil
		}
	}
	return None, fmt.Errorf("compression %q is none of none, gzip, snappy, lz4, zstd", name)
}

const (
	lz4Block    = 64 << 10 // the block size that Kafka's own clients write, and the smallest there is
	snappyBlock = 32 << 10 // what snappy-java writes
	zstdWindow  = 1 << 20  // bounds the memory of each pooled encoder
)

// lz4Header begins each frame: magic, version 1 with independent blocks and no checksums (the batch has its CRC), blocks of
// at most 64 KiB, and the header's own checksum byte.
var lz4Header = [...]byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}

// xerialHeader begins a stream as snappy-java frames it: magic, version 1, compatible since version 1.
var xerialHeader = [...]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

var (
	lz4Compressors  = sync.Pool{New: func() any { return new(lz4.Compressor) }}
	gzipWriters     = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	zstdEncoders    = sync.Pool{New: func() any { return newZstdEncoder() }}
	growableBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// AppendCompressed appends src, compressed by codec, to dst. It is safe for any number of goroutines; compressors are pooled
// and nothing is allocated in the steady state when dst has room. dst and src must not overlap.
func AppendCompressed(dst []byte, codec Codec, src []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return appendGzip(dst, src)
	case Snappy:
		return appendSnappy(dst, src), nil
	case LZ4:
		return appendLZ4(dst, src)
	case Zstd:
		enc := zstdEncoders.Get().(*zstd.Encoder)
		dst = enc.EncodeAll(src, dst)
		zstdEncoders.Put(enc)
		return dst, nil
	}
	return dst, fmt.Errorf("compressing records: unknown %s", codec)
}

// CompressedBound is the most that AppendCompressed appends for n bytes of input, for any codec.
func CompressedBound(n int) int {
	return n + n/6 + 16*(n/snappyBlock+1) + 256
}

func newZstdEncoder() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("kafkawire: zstd options: " + err.Error()) // constant options: a programming error
	}
	return enc
}

func appendGzip(dst, src []byte) ([]byte, error) {
	buf := growableBuffers.Get().(*bytes.Buffer)
	w := gzipWriters.Get().(*gzip.Writer)
	buf.Reset()
	w.Reset(buf)
	_, err := w.Write(src)
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		dst = append(dst, buf.Bytes()...)
	}
	gzipWriters.Put(w)
	growableBuffers.Put(buf)
	if err != nil {
		return dst, fmt.Errorf("compressing records with gzip: %w", err)
	}
	return dst, nil
}

func appendSnappy(dst, src []byte) []byte {
	dst = append(dst, xerialHeader[:]...)
	for len(src) > 0 {
		n := min(len(src), snappyBlock)
		at := len(dst)
		dst = grow(dst, 4+s2.MaxEncodedLen(n))
		block := s2.EncodeSnappy(dst[at+4:cap(dst)], src[:n])
		binary.BigEndian.PutUint32(dst[at:at+4], uint32(len(block)))
		dst = dst[:at+4+len(block)]
		src = src[n:]
	}
	return dst
}

func appendLZ4(dst, src []byte) ([]byte, error) {
	const stored = 1 << 31 // a block that does not shrink is stored as it is
	comp := lz4Compressors.Get().(*lz4.Compressor)
	defer lz4Compressors.Put(comp)
	dst = append(dst, lz4Header[:]...)
	for len(src) > 0 {
		n := min(len(src), lz4Block)
		at := len(dst)
		dst = grow(dst, 4+lz4.CompressBlockBound(n))
		size, err := comp.CompressBlock(src[:n], dst[at+4:cap(dst)])
		if err != nil {
			return dst[:at], fmt.Errorf("compressing records with lz4: %w", err)
		}
		if size == 0 || size >= n {
			binary.LittleEndian.PutUint32(dst[at:at+4], uint32(n)|stored)
			dst = append(dst[:at+4], src[:n]...)
		} else {
			binary.LittleEndian.PutUint32(dst[at:at+4], uint32(size))
			dst = dst[:at+4+size]
		}
		src = src[n:]
	}
	return append(dst, 0, 0, 0, 0), nil
}

// grow returns dst, its length raised by n bytes of unspecified content.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst[: len(dst)+n : cap(dst)]
	}
	bigger := make([]byte, len(dst)+n, 2*cap(dst)+n)
	copy(bigger, dst)
	return bigger
}
