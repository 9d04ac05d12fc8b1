package debezium

import (
	"sync"

	"cdcbridge/changelog"
)

// otherSchemas are those of records with arrays of several dimensions, by the dimensions, and those of records whose old row
// is known in part. Tables have few combinations of them: the first ones are kept, once they are met.
type otherSchemas struct {
	mu    sync.RWMutex
	known map[string]wrapping
}

const maxOtherSchemas = 32

// find gives the schema for these dimensions, or has it rendered.
func (d *otherSchemas) find(dims []byte, render func() wrapping) wrapping {
	d.mu.RLock()
	w, ok := d.known[string(dims)]
	d.mu.RUnlock()
	if ok {
		return w
	}
	w = render()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) < maxOtherSchemas {
		if d.known == nil {
			d.known = map[string]wrapping{}
		}
		d.known[string(dims)] = w
	}
	return w
}

// deepen gives the schema of an array as many dimensions as the row's value has.
func (s *schema) deepen(row changelog.Row, column int) {
	if row == nil {
		return
	}
	for range dimensions(&row[column]) - 1 {
		inner := arraySchema(*s.elem).opt()
		s.elem = &inner
	}
}

// dimensions of an array; of anything else 0.
func dimensions(v *changelog.Value) int {
	n := 0
	for v.Kind() == changelog.KindArray {
		n++
		elems := v.Elems()
		if len(elems) == 0 {
			break
		}
		v = &elems[0]
	}
	return n
}

// appendDimensions appends those of the row's arrays, with an end, and whether there are several.
func (e *encoder) appendDimensions(dims []byte, row changelog.Row) (_ []byte, deep bool) {
	if row == nil {
		return append(dims, 0xFF), false
	}
	for _, i := range e.schemas.arrays {
		n := max(dimensions(&row[i]), 1)
		dims, deep = append(dims, byte(n)), deep || n > 1
	}
	return dims, deep
}
