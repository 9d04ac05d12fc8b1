package postgres

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cdcbridge/internal/fault"
)

// memFile is a file in memory, on a disk of some size.
type memFile struct {
	data   []byte
	disk   *int // bytes that are free; nil: any
	closed bool
}

func (f *memFile) Write(p []byte) (int, error) {
	if f.disk == nil {
		f.data = append(f.data, p...)
		return len(p), nil
	}
	n := min(len(p), *f.disk)
	f.data = append(f.data, p[:n]...)
	*f.disk -= n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *memFile) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Close() error {
	if f.closed {
		return os.ErrClosed
	}
	f.closed = true
	return nil
}

func TestSpoolKeepsEverything(t *testing.T) {
	for _, limit := range []int{1, 10 << 10, 100 << 10, 10 << 20} {
		p := newSpool("", limit)
		var files []*memFile
		p.create = func(string) (spoolFile, error) {
			files = append(files, &memFile{})
			return files[len(files)-1], nil
		}
		const txns, messages = 100, 50
		most := 0
		for n := range messages {
			for xid := range uint32(txns) {
				if err := p.begin(xid+1, n == 0); err != nil {
					t.Fatal(err)
				}
				size := 1 + n*int(xid)
				if err := p.record(7, xid+1+uint32(n), size); err != nil {
					t.Fatal(err)
				}
				if err := p.write(bytes.Repeat([]byte{byte(n)}, size)); err != nil {
					t.Fatal(err)
				}
				most = max(most, p.used+len(p.free)*lastChunk)
			}
		}
		if most > max(limit, txns*openSize+lastChunk) {
			t.Errorf("limit %d: %d bytes were in memory", limit, most)
		}
		if (len(files) > 0) != (limit < 10<<20) {
			t.Errorf("limit %d: %d files", limit, len(files))
		}
		for xid, x := range p.open {
			r := p.reader(x)
			for n := range messages {
				m, err := r.next()
				if err != nil || m.pos != 7 || m.xid != xid+uint32(n) || m.size != 1+n*int(xid-1) || m.kind != messageType(n) {
					t.Fatalf("limit %d: message %d of %d is %+v, %v", limit, n, xid, m, err)
				}
				if n%3 == 0 {
					continue // is passed over
				}
				got := make([]byte, m.size)
				if err := r.read(got); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(n)}, m.size)) {
					t.Fatalf("limit %d: message %d of %d: %v", limit, n, xid, err)
				}
			}
			if m, err := r.next(); !errors.Is(err, io.EOF) {
				t.Fatal(m, err)
			}
			if err := p.drop(x); err != nil {
				t.Fatal(err)
			}
		}
		if p.used != 0 || slices.ContainsFunc(files, func(f *memFile) bool { return !f.closed }) {
			t.Errorf("limit %d: %d bytes stay, or files are open", limit, p.used)
		}
	}
}

// TestSpoolFilesAreNobodys finds no file by its name while one is in use, and none afterwards.
func TestSpoolFilesAreNobodys(t *testing.T) {
	dir := t.TempDir()
	c := interleaved()
	made := 0
	batches, err := play(t, c.send(0, 7), nil, 8<<10, 0, streaming, func(s *stream, _ *memCatalog) {
		s.spool.dir, s.spool.limit = dir, 8<<10
		create := s.spool.create
		s.spool.create = func(dir string) (spoolFile, error) {
			made++
			f, err := create(dir)
			if names, _ := os.ReadDir(dir); len(names) > 0 || err != nil {
				t.Errorf("%v, %v", names, err)
			}
			return f, err
		}
	})
	if err != nil || made < 3 || len(ids(batches)) == 0 {
		t.Errorf("%v, %d files, %d changes", err, made, len(ids(batches)))
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

// TestSpoolDiskFull ends the stream, loses nothing of what was handed over before, and goes on from there.
func TestSpoolDiskFull(t *testing.T) {
	c := newScript()
	c.rows(1, 0, 10, 1, 1)
	c.commit(1)
	c.rows(2, 0, 1000, 100, 80)
	c.rows(3, 0, 10, 2, 1)
	c.commit(3)
	c.rows(2, 0, 1000, 180, 80)
	c.commit(2)
	disk := 100 << 10
	var file *memFile
	full := func(s *stream, _ *memCatalog) {
		s.spool.create = func(string) (spoolFile, error) { file = &memFile{disk: &disk}; return file, nil }
	}
	batches, err := play(t, c.send(0, 10), nil, 8<<10, 0, streaming, full)
	if !fault.Is(err, fault.Spool) || fault.IsFinal(err) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), os.TempDir()) {
		t.Fatal(err)
	}
	if !slices.Equal(ids(batches), []int64{1, 2}) || !file.closed {
		t.Fatal(ids(batches), file.closed)
	}
	p, err := parsePosition(batches[len(batches)-1].Next.Pos)
	if err != nil {
		t.Fatal(err)
	}
	again, err := play(t, c.send(p.lsn, 10), p, 8<<10, 0, streaming)
	if err != nil || !slices.Equal(ids(again), span(100, 160)) {
		t.Error(err, ids(again))
	}
}

func TestSpoolNeedsItsDirectory(t *testing.T) {
	p := newSpool(t.TempDir()+"/none", 1<<20)
	if err := p.try(); !fault.Is(err, fault.Spool) || fault.IsFinal(err) {
		t.Error(err)
	}
	disk := 0
	p.create = func(string) (spoolFile, error) { return &memFile{disk: &disk}, nil }
	if err := p.try(); !fault.Is(err, fault.Spool) {
		t.Error(err)
	}
	p = newSpool("", 1<<20)
	if err := p.try(); err != nil {
		t.Error(err)
	}
}

// TestSpoolFileIsCut reads a file that has lost its end.
func TestSpoolFileIsCut(t *testing.T) {
	c := newScript()
	c.rows(1, 0, 1000, 1, 40)
	c.commit(1)
	_, err := play(t, c.send(0, 10), nil, 8<<10, 0, streaming, func(s *stream, _ *memCatalog) {
		s.spool.create = func(string) (spoolFile, error) { return cutFile{&memFile{}}, nil }
	})
	if !fault.Is(err, fault.Spool) {
		t.Error(err)
	}
}

type cutFile struct{ *memFile }

func (f cutFile) ReadAt(p []byte, at int64) (int, error) {
	return (&memFile{data: f.data[:10_000]}).ReadAt(p, at)
}

func TestXIDSet(t *testing.T) {
	x := xidSet{}
	size := 0
	for _, n := range []uint32{0, 1, 63, 64, 4095, 4096, 1 << 31, 1<<32 - 1} {
		if x.has(n) {
			t.Errorf("%d is there", n)
		}
		size += x.add(n)
		if !x.has(n) || x.add(n) != 0 {
			t.Errorf("%d is not there", n)
		}
	}
	if x.has(2) || x.has(4097) || x.has(65) || size != x.size() || len(x) != 4 {
		t.Errorf("%d pages, %d bytes", len(x), size)
	}
}
