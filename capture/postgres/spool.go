package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/jackc/pglogrepl"

	"cdcbridge/internal/fault"
)

// This file is the one place that keeps messages of transactions which have not committed yet: in memory that all of them
// share, and beyond it in one temporary file each. Nothing of it outlives the stream; the server sends such transactions again.

const (
	// firstChunk and lastChunk are the sizes of the pieces of memory that a transaction takes, bytes: small at first, because
	// many may be open.
	firstChunk = 4 << 10
	lastChunk  = 64 << 10
	// openSize is what a transaction takes beside its messages, bytes.
	openSize = 512
	// recordHead is what stands before a message: LSN, transaction, size.
	recordHead = 8 + 4 + 4
)

// spool holds the transactions whose end has not come. One goroutine uses it.
type spool struct {
	dir    string
	limit  int // bytes of memory for all of them
	create func(dir string) (spoolFile, error)

	open  map[uint32]*spooledTxn // by their numbers
	block *spooledTxn            // whose stream block the stream is in; nil: none
	used  int                    // bytes of memory
	free  [][]byte               // chunks of the last size
}

// spoolFile is where a transaction goes that memory has no room for.
type spoolFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// spooledTxn is one transaction. Its messages are those in the file, then those in the chunks.
type spooledTxn struct {
	xid     uint32
	replica []byte // replication origin
	aborted xidSet // subtransactions that were rolled back

	file   spoolFile // nil: all is in memory
	size   int64     // bytes in it
	chunks [][]byte
	memory int // bytes of chunks
}

func newSpool(dir string, limit int) spool {
	if dir == "" {
		dir = os.TempDir()
	}
	return spool{dir: dir, limit: limit, create: createTemp, open: map[uint32]*spooledTxn{}}
}

// createTemp makes a file that nobody else sees and that goes with the process, however that ends.
func createTemp(dir string) (spoolFile, error) {
	f, err := os.CreateTemp(dir, "cdcbridge-spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// try finds out before the first message whether there can be files.
func (p *spool) try() error {
	f, err := p.create(p.dir)
	if err != nil {
		return p.failed(err)
	}
	_, err = f.Write([]byte{0})
	if err = errors.Join(err, f.Close()); err != nil {
		return p.failed(err)
	}
	return nil
}

func (p *spool) failed(err error) error {
	return fault.New(fault.Spool, "spooling a transaction that is not committed yet", fmt.Errorf("in %s: %w", p.dir, err),
		"Make room in that directory, or name another one in spool_dir; it must hold the large transactions that are open at one time. With streaming: false the server keeps them.")
}

// begin opens a stream block.
func (p *spool) begin(xid uint32, first bool) error {
	t := p.open[xid]
	if first == (t != nil) {
		return badMessage(nil, "a stream block of transaction %d is its first one: %v", xid, first)
	}
	if first {
		t = &spooledTxn{xid: xid, aborted: xidSet{}}
		p.open[xid] = t
		p.used += openSize
	}
	p.block = t
	return nil
}

// drop forgets a transaction.
func (p *spool) drop(t *spooledTxn) error {
	delete(p.open, t.xid)
	p.used -= openSize + t.aborted.size()
	p.recycle(t)
	if len(p.open) == 0 {
		p.free = nil
	}
	if t.file == nil {
		return nil
	}
	if err := t.file.Close(); err != nil {
		return p.failed(err)
	}
	return nil
}

// close forgets everything. The files are gone already.
func (p *spool) close() {
	for _, t := range p.open {
		_ = p.drop(t)
	}
	p.block = nil
}

// abort marks a subtransaction: its messages do not count. The server names each one that is rolled back, those within
// it too.
func (p *spool) abort(t *spooledTxn, xid uint32) {
	p.used += t.aborted.add(xid)
}

// record begins a message of the current block.
func (p *spool) record(pos pglogrepl.LSN, xid uint32, size int) error {
	var head [recordHead]byte
	binary.BigEndian.PutUint64(head[:], uint64(pos))
	binary.BigEndian.PutUint32(head[8:], xid)
	binary.BigEndian.PutUint32(head[12:], uint32(size))
	return p.write(head[:])
}

// write appends to the current block's transaction.
func (p *spool) write(data []byte) error {
	t := p.block
	for len(data) > 0 {
		n := len(t.chunks) - 1
		if n < 0 || len(t.chunks[n]) == cap(t.chunks[n]) {
			if err := p.grow(t); err != nil {
				return err
			}
			n = len(t.chunks) - 1
		}
		c := t.chunks[n]
		took := copy(c[len(c):cap(c)], data)
		t.chunks[n] = c[:len(c)+took]
		data = data[took:]
	}
	return nil
}

// grow gives a transaction another chunk, for which others, or the transaction itself, may have to go to their files.
func (p *spool) grow(t *spooledTxn) error {
	size := t.nextChunk()
	for p.used+len(p.free)*lastChunk+size > p.limit {
		if n := len(p.free); n > 0 && size == lastChunk {
			break // one of these
		} else if n > 0 {
			p.free = slices.Delete(p.free, n-1, n)
			continue
		}
		most := p.largest()
		if most == nil {
			break // what cannot go to files is more than all: a chunk is little
		}
		if err := p.spill(most); err != nil {
			return err
		}
		size = t.nextChunk()
	}
	p.used += size
	t.memory += size
	if n := len(p.free); n > 0 && size == lastChunk {
		t.chunks = append(t.chunks, p.free[n-1])
		p.free = slices.Delete(p.free, n-1, n)
		return nil
	}
	t.chunks = append(t.chunks, make([]byte, 0, size))
	return nil
}

func (t *spooledTxn) nextChunk() int {
	n := len(t.chunks)
	if n == 0 {
		return firstChunk
	}
	return min(2*cap(t.chunks[n-1]), lastChunk)
}

// largest is the transaction that has most in memory.
func (p *spool) largest() *spooledTxn {
	var most *spooledTxn
	for _, t := range p.open {
		if t.memory > 0 && (most == nil || t.memory > most.memory) {
			most = t
		}
	}
	return most
}

// spill moves a transaction's memory to its file.
func (p *spool) spill(t *spooledTxn) error {
	if t.file == nil {
		f, err := p.create(p.dir)
		if err != nil {
			return p.failed(err)
		}
		t.file = f
	}
	for _, c := range t.chunks {
		n, err := t.file.Write(c)
		t.size += int64(n)
		if err != nil {
			return p.failed(err)
		}
	}
	p.recycle(t)
	return nil
}

// recycle takes a transaction's memory back.
func (p *spool) recycle(t *spooledTxn) {
	for _, c := range t.chunks {
		if cap(c) == lastChunk {
			p.free = append(p.free, c[:0])
		}
	}
	p.used -= t.memory
	t.chunks, t.memory = nil, 0
}

// spoolReader gives a transaction's messages in their order.
type spoolReader struct {
	p    *spool
	in   *bufio.Reader
	head record
	left int // bytes of the current message that were not read
}

// record is a message in the spool.
type record struct {
	pos  pglogrepl.LSN
	xid  uint32 // of the subtransaction, or the transaction
	size int
	kind messageType
}

func (p *spool) reader(t *spooledTxn) *spoolReader {
	parts := make([]io.Reader, 0, 1+len(t.chunks))
	if t.file != nil {
		parts = append(parts, &fileReader{file: t.file, size: t.size})
	}
	for _, c := range t.chunks {
		parts = append(parts, bytes.NewReader(c))
	}
	return &spoolReader{p: p, in: bufio.NewReaderSize(io.MultiReader(parts...), lastChunk)}
}

// fileReader reads a file to its end, and says so when that comes too early.
type fileReader struct {
	file     io.ReaderAt
	at, size int64
}

func (r *fileReader) Read(p []byte) (int, error) {
	if r.at == r.size {
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.size-r.at)], r.at)
	r.at += int64(n)
	switch {
	case err != io.EOF:
		return n, err
	case r.at < r.size:
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

// next goes to the next message, of which nothing needs to have been read. io.EOF says that there is none.
func (r *spoolReader) next() (*record, error) {
	if _, err := r.in.Discard(r.left); err != nil {
		return nil, r.p.failed(err)
	}
	head, err := r.in.Peek(recordHead + 1)
	if err == io.EOF && len(head) == 0 {
		return nil, io.EOF
	}
	if err != nil {
		return nil, r.p.failed(err)
	}
	r.head = record{
		pos: pglogrepl.LSN(binary.BigEndian.Uint64(head)), xid: binary.BigEndian.Uint32(head[8:]),
		size: int(binary.BigEndian.Uint32(head[12:])), kind: messageType(head[recordHead]),
	}
	r.left = r.head.size
	if _, err := r.in.Discard(recordHead); err != nil {
		return nil, r.p.failed(err)
	}
	return &r.head, nil
}

// peek gives up to n bytes of what was not read of the message. They are valid until the next call.
func (r *spoolReader) peek(n int) ([]byte, error) {
	b, err := r.in.Peek(min(n, r.left))
	if err != nil {
		return nil, r.p.failed(err)
	}
	return b, nil
}

// read fills dst, which is not longer than what was not read of the message.
func (r *spoolReader) read(dst []byte) error {
	if _, err := io.ReadFull(r.in, dst); err != nil {
		return r.p.failed(err)
	}
	r.left -= len(dst)
	return nil
}

// xidSet is a set of transaction numbers. Those of one transaction's parts lie close together, and a loop with savepoints may
// have very many: a page stands for 4096 of them.
type xidSet map[uint32]*[64]uint64

// xidPage is what a page takes, bytes.
const xidPage = 600

// add puts a number in and says how many bytes the set has grown.
func (x xidSet) add(xid uint32) int {
	grown, p := 0, x[xid>>12]
	if p == nil {
		p, grown = new([64]uint64), xidPage
		x[xid>>12] = p
	}
	p[xid>>6&63] |= 1 << (xid & 63)
	return grown
}

func (x xidSet) has(xid uint32) bool {
	p := x[xid>>12]
	return p != nil && p[xid>>6&63]>>(xid&63)&1 != 0
}

func (x xidSet) size() int { return len(x) * xidPage }
