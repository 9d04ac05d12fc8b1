package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

// lineFormat is what a line holds: the flags -i and -o of convert.
type lineFormat string

const (
	lineValue lineFormat = "value" // the value; null is a tombstone
	lineKcat  lineFormat = "kcat"  // an object with topic, partition, offset, key, payload and headers, as kcat -J prints it
)

// String implements pflag.Value.
func (l *lineFormat) String() string { return string(*l) }

// Set implements pflag.Value.
func (l *lineFormat) Set(s string) error {
	if s != string(lineValue) && s != string(lineKcat) {
		return errors.New("must be value or kcat")
	}
	*l = lineFormat(s)
	return nil
}

// Type implements pflag.Value.
func (l *lineFormat) Type() string { return "value|kcat" }

// kcatRecord is a record as kcat -J prints it. A header is two entries: name and value.
type kcatRecord struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Timestamp int64     `json:"ts"`
	Headers   []*string `json:"headers,omitempty"`
	Key       *string   `json:"key"`
	Payload   *string   `json:"payload"`
}

// maxLine bounds a line: brokers take a megabyte unless they are told otherwise.
const maxLine = 256 << 20

// convertLines converts what a reader has, line by line. Empty lines say nothing.
func convertLines(ctx context.Context, conv *converter, in io.Reader, format lineFormat) error {
	r := bufio.NewReaderSize(in, 1<<20)
	var line []byte
	for n := 1; ctx.Err() == nil; n++ {
		var end error
		if line, end = readLine(r, line[:0]); end != nil && !errors.Is(end, io.EOF) {
			return fmt.Errorf("reading line %d of standard input: %w", n, end)
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			if err := conv.line(text, n, format); err != nil {
				return err
			}
		}
		if r.Buffered() == 0 { // nobody waits for what is not there yet
			if err := conv.out.flush(); err != nil {
				return err
			}
		}
		if errors.Is(end, io.EOF) {
			return nil
		}
	}
	return nil
}

func readLine(r *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("it has more than %d MiB", maxLine>>20)
		default:
			return line, err
		}
	}
}

func (c *converter) line(text []byte, n int, format lineFormat) error {
	where := fmt.Sprintf("line %d", n)
	if format == lineValue {
		rec := formats.Record{Value: text, Offset: int64(n) - 1}
		if string(text) == "null" {
			rec.Value = nil
		}
		return c.record(&rec, where)
	}
	var k kcatRecord
	err := json.Unmarshal(text, &k)
	if err == nil && !utf8.Valid(text) {
		err = errNotUTF8 // a document that is not would be read with other characters in it
	}
	if err != nil {
		err = fault.NewFinal(fault.Decode, "reading a record as kcat -J prints it", err, "Use -i value for lines that are the values themselves.")
		if !c.ignore {
			return fmt.Errorf("%s: %w", where, err)
		}
		c.skip(where, err)
		return nil
	}
	rec := formats.Record{Topic: k.Topic, Partition: k.Partition, Offset: k.Offset, Timestamp: k.Timestamp, Key: bytesOf(k.Key), Value: bytesOf(k.Payload)}
	for i := 0; i+1 < len(k.Headers); i += 2 {
		if name := k.Headers[i]; name != nil {
			rec.Headers = append(rec.Headers, formats.Header{Name: *name, Value: bytesOf(k.Headers[i+1])})
		}
	}
	return c.record(&rec, fmt.Sprintf("%s, record %s/%d@%d", where, k.Topic, k.Partition, k.Offset))
}

func bytesOf(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

// lineWriter prints records.
type lineWriter struct {
	w      *bufio.Writer
	format lineFormat
}

func newLineWriter(w io.Writer, format lineFormat) *lineWriter {
	return &lineWriter{w: bufio.NewWriterSize(w, 1<<18), format: format}
}

func (l *lineWriter) flush() error {
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// write prints one record that came of r. A nil value is a tombstone.
func (l *lineWriter) write(r *formats.Record, topic string, key, value []byte, headers []formats.Header) error {
	for _, part := range append([][]byte{key, value}, values(headers)...) {
		if !utf8.Valid(part) {
			return fault.NewFinal(fault.UnsupportedType, "printing a record", errNotUTF8, "Choose a format or a key_format whose records are texts.")
		}
	}
	line := value
	switch {
	case l.format == lineKcat:
		k := kcatRecord{Topic: topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp}
		for _, h := range headers {
			k.Headers = append(k.Headers, &h.Name, textOf(h.Value))
		}
		k.Key, k.Payload = textOf(key), textOf(value)
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(&k); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		line = bytes.TrimSuffix(out.Bytes(), []byte{'\n'})
	case value == nil:
		line = []byte("null")
	}
	_, _ = l.w.Write(line) // the writer keeps its error until it is flushed
	if err := l.w.WriteByte('\n'); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

var errNotUTF8 = errors.New("it is not UTF-8")

func values(headers []formats.Header) [][]byte {
	var all [][]byte
	for _, h := range headers {
		all = append(all, h.Value)
	}
	return all
}

func textOf(p []byte) *string {
	if p == nil {
		return nil
	}
	s := string(p)
	return &s
}
