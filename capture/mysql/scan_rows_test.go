package mysql

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// rowStream gives packets as a connection, in pieces.
func rowStream(piece int, packets ...[]byte) *rowPackets {
	var wire []byte
	for i, p := range packets {
		wire = append(wire, byte(len(p)), byte(len(p)>>8), byte(len(p)>>16), byte(i+1))
		wire = append(wire, p...)
	}
	c := &memConn{data: wire, chunk: piece, quiet: true}
	return &rowPackets{wire: c, raw: &pollConn{Conn: c}, buf: make([]byte, rowBuffer), seq: 1}
}

func TestRowPackets(t *testing.T) {
	large := bytes.Repeat([]byte("x"), rowBuffer+5)
	whole := bytes.Repeat([]byte("y"), maxPacket)
	eof, failure := []byte{0xfe, 0, 0, 2, 0}, append([]byte{0xff, 0x25, 0x05}, "#70100Query execution was interrupted"...)
	for _, piece := range []int{0, 1000, 70_000} {
		p := rowStream(piece, []byte{1}, []byte("column"), eof, []byte("row"), large, whole, []byte("end"), whole, nil, []byte("last"), eof)
		if err := p.head(); err != nil || p.columns != 1 {
			t.Fatal(err)
		}
		for i, want := range [][]byte{[]byte("row"), large, append(bytes.Clone(whole), "end"...), whole, []byte("last"), nil, nil} {
			if got, err := p.next(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("row %d: %d bytes, %v, want %d", i, len(got), err, len(want))
			}
		}
	}
	p := rowStream(0, []byte{1}, []byte("column"), eof, []byte("row"), failure)
	if err := p.head(); err != nil {
		t.Fatal(err)
	}
	_, _ = p.next()
	if _, err := p.next(); errorCode(err) != 1317 || !strings.Contains(err.Error(), "70100") {
		t.Error(err)
	}
	if row, err := p.next(); row != nil || err != nil {
		t.Error(row, err)
	}
	for name, packets := range map[string][][]byte{"error": {failure}, "no columns": {{0}}, "local infile": {{0xfb}}, "no end of columns": {{1}, []byte("column"), []byte("row")}, "nothing": {nil}} {
		if err := rowStream(0, packets...).head(); err == nil || name == "error" && errorCode(err) != 1317 {
			t.Errorf("%s: %v", name, err)
		}
	}
	p = rowStream(0, []byte{1}, []byte("column"), eof, []byte("row"))
	p.seq = 7
	if err := p.head(); !errors.Is(err, errResult) {
		t.Error(err)
	}
}
