package servers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxFrame is above everything that clients and brokers send each other here.
const maxFrame = 256 << 20

var errFrame = errors.New("no frame of Kafka's protocol")

// readFrame reads one request or answer with the four bytes of its size in front.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(size[:])))
	if n < 4 || n > maxFrame {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// sized sets the size in front of a frame.
func sized(frame []byte) []byte {
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

// requestFrame is a request as it travels: size, API key, version, correlation id, client id, body.
type requestFrame []byte

func (f requestFrame) key() kmsg.Key      { return kmsg.Key(binary.BigEndian.Uint16(f[4:])) }
func (f requestFrame) version() int16     { return int16(binary.BigEndian.Uint16(f[6:])) }
func (f requestFrame) correlation() int32 { return int32(binary.BigEndian.Uint32(f[8:])) }

// parse reads the whole request.
func (f requestFrame) parse() (kmsg.Request, error) {
	req := kmsg.RequestForKey(int16(f.key()))
	if req == nil || len(f) < 14 {
		return nil, fmt.Errorf("%w: a request with key %d", errFrame, f.key())
	}
	req.SetVersion(f.version())
	body := f[14:]
	if n := int16(binary.BigEndian.Uint16(f[12:])); n > 0 {
		if int(n) > len(body) {
			return nil, fmt.Errorf("%w: a client id of %d bytes", errFrame, n)
		}
		body = body[n:]
	}
	if req.IsFlexible() {
		var err error
		if body, err = afterTags(body); err != nil {
			return nil, err
		}
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("reading a %s request: %w", f.key().Name(), err)
	}
	return req, nil
}

// An answer is size, correlation id, tags when the version is flexible (but never of ApiVersions), body.

func correlationOf(answer []byte) int32 { return int32(binary.BigEndian.Uint32(answer[4:])) }

func tagged(resp kmsg.Response) bool {
	return resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions)
}

// parseAnswer reads the whole answer to req.
func parseAnswer(req kmsg.Request, answer []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	body := answer[8:]
	if tagged(resp) {
		var err error
		if body, err = afterTags(body); err != nil {
			return nil, err
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("reading an answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	return resp, nil
}

// answerFrame makes the frame of an answer.
func answerFrame(correlation int32, resp kmsg.Response) []byte {
	frame := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
	if tagged(resp) {
		frame = append(frame, 0)
	}
	return sized(resp.AppendTo(frame))
}

// afterTags skips a block of tagged fields.
func afterTags(b []byte) ([]byte, error) {
	number := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			b = nil
			return 1 << 62
		}
		b = b[size:]
		return n
	}
	for n := number(); n > 0; n-- {
		number() // the tag
		size := number()
		if size > uint64(len(b)) {
			return nil, fmt.Errorf("%w: tags that end too early", errFrame)
		}
		b = b[size:]
	}
	return b, nil
}
