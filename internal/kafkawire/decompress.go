package kafkawire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxRecordsSize bounds what one batch may unpack to, so that a damaged or hostile one cannot exhaust memory. Brokers accept
// a compressed batch by its compressed size, so large but compressible batches are legal.
const maxRecordsSize = 256 << 20

var errRecordsTooLarge = errors.New("records unpack to more than 256 MiB")

var (
	lz4Readers   = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	gzipReaders  = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstdDecoders = sync.Pool{New: func() any { return newZstdDecoder() }}
)

// appendDecompressed appends src, unpacked, to dst.
func appendDecompressed(dst []byte, codec Codec, src []byte) ([]byte, error) {
	var err error
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		zr := gzipReaders.Get().(*gzip.Reader)
		if err = zr.Reset(bytes.NewReader(src)); err == nil {
			dst, err = appendFrom(dst, zr)
		}
		gzipReaders.Put(zr)
	case Snappy:
		dst, err = appendUnsnappy(dst, src)
	case LZ4:
		zr := lz4Readers.Get().(*lz4.Reader)
		zr.Reset(bytes.NewReader(src))
		dst, err = appendFrom(dst, zr)
		zr.Reset(nil)
		lz4Readers.Put(zr)
	case Zstd:
		dec := zstdDecoders.Get().(*zstd.Decoder)
		dst, err = dec.DecodeAll(src, dst)
		zstdDecoders.Put(dec)
	default:
		err = errors.New("unknown codec")
	}
	if err != nil {
		return dst, fmt.Errorf("unpacking records with %s: %w", codec, err)
	}
	return dst, nil
}

func newZstdDecoder() *zstd.Decoder {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRecordsSize), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("kafkawire: zstd options: " + err.Error()) // constant options: a programming error
	}
	return dec
}

func appendFrom(dst []byte, r io.Reader) ([]byte, error) {
	limit := len(dst) + maxRecordsSize
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
		if len(dst) > limit {
			return dst, errRecordsTooLarge
		}
	}
}

// appendUnsnappy reads both forms that occur in topics: snappy-java's blocks and one raw block.
func appendUnsnappy(dst, src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialHeader[:8]) {
		return appendUnsnappyBlock(dst, src)
	}
	if len(src) < len(xerialHeader) {
		return dst, io.ErrUnexpectedEOF
	}
	limit := len(dst) + maxRecordsSize
	src = src[len(xerialHeader):]
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return dst, io.ErrUnexpectedEOF
		}
		var err error
		if dst, err = appendUnsnappyBlock(dst, src[:n]); err != nil {
			return dst, err
		}
		if len(dst) > limit {
			return dst, errRecordsTooLarge
		}
		src = src[n:]
	}
	return dst, nil
}

func appendUnsnappyBlock(dst, src []byte) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return dst, err
	}
	// Snappy cannot shrink below 1/64; a longer claim is a lie that would cost memory.
	if n > maxRecordsSize || n > 64*len(src)+64 {
		return dst, errRecordsTooLarge
	}
	at := len(dst)
	dst = grow(dst, n)
	block, err := s2.Decode(dst[at:at+n:at+n], src)
	if err != nil {
		return dst[:at], err
	}
	return dst[:at+len(block)], nil
}
