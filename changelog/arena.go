package changelog

import "unsafe"

const (
	byteSlab         = 64 << 10
	valueSlab        = 1024
	maxPooledBytes   = 2 << 20   // an arena that grew beyond this goes to the garbage collector
	maxUnusedBytes   = 256 << 10 // and so does one of which this and half of what it held lay idle: batches have become smaller
	maxPooledChanges = 16 << 10
)

// arena hands out memory that is all given back at once. Slabs never move, so what was handed out stays valid.
type arena struct {
	bytes  [][]byte // slabs; the one at curB has free space from len to cap
	values [][]Value
	curB   int
	curV   int
	size   int
}

func (a *arena) grab(n int) []byte {
	a.size += n
	for ; a.curB < len(a.bytes); a.curB++ {
		if s := a.bytes[a.curB]; cap(s)-len(s) >= n {
			a.bytes[a.curB] = s[:len(s)+n]
			return s[len(s) : len(s)+n : len(s)+n]
		}
	}
	a.bytes = append(a.bytes, make([]byte, n, max(n, byteSlab)))
	return a.bytes[a.curB][:n:n]
}

func (a *arena) row(n int) Row {
	a.size += n * int(unsafe.Sizeof(Value{}))
	for ; a.curV < len(a.values); a.curV++ {
		if s := a.values[a.curV]; cap(s)-len(s) >= n {
			a.values[a.curV] = s[:len(s)+n]
			return Row(s[len(s) : len(s)+n : len(s)+n])
		}
	}
	a.values = append(a.values, make([]Value, n, max(n, valueSlab)))
	return Row(a.values[a.curV][:n:n])
}

// reset empties the arena and reports whether it is small enough to be kept. Values are cleared because rows start as
// NULLs and because stale ones would keep foreign memory alive.
func (a *arena) reset() bool {
	kept, used := 0, a.size
	for i := range a.bytes {
		kept += cap(a.bytes[i])
		a.bytes[i] = a.bytes[i][:0]
	}
	for i := range a.values {
		kept += cap(a.values[i]) * int(unsafe.Sizeof(Value{}))
		clear(a.values[i])
		a.values[i] = a.values[i][:0]
	}
	a.curB, a.curV, a.size = 0, 0, 0
	return kept <= maxPooledBytes && kept <= used+used/2+maxUnusedBytes
}
