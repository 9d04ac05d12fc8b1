package kafka

import (
	"encoding/binary"

	"cdcbridge/changelog"
)

// identities makes numbers of rows and keys that are equal for equal ones, and but for one case in 2^64 differ for others. They are the
// same in every process, since states hold them. 0 is none.
type identities struct{ scratch []byte }

// row is the identity of a whole row, 0 when some of it is not known.
func (d *identities) row(r changelog.Row) uint64 {
	if r == nil {
		return 0
	}
	d.scratch = d.scratch[:0]
	for i := range r {
		if r[i].IsUnchanged() {
			return 0
		}
		d.scratch = r[i].AppendIdentity(d.scratch)
	}
	return sum(d.scratch)
}

// name begins a text with the name of a table.
func (d *identities) name(t *changelog.Table) {
	d.scratch = append(append(d.scratch[:0], t.Database...), 0)
	d.scratch = append(append(append(d.scratch, t.Schema...), 0), t.Name...)
}

// key is the identity of a row's key within its table, 0 when the table has none or the row does not say it.
func (d *identities) key(t *changelog.Table, r changelog.Row) uint64 {
	if len(t.Key) == 0 || r == nil {
		return 0
	}
	d.name(t)
	d.scratch = append(d.scratch, 0)
	for _, i := range t.Key {
		if i >= len(r) || r[i].IsUnchanged() {
			return 0
		}
		d.scratch = r[i].AppendIdentity(d.scratch)
	}
	return sum(d.scratch)
}

// keys are the identities of a change's key before and after it: 0 where there is no row. Of an update whose old row is not known, or
// does not say the key, the key stayed.
func (d *identities) keys(t *changelog.Table, ch *changelog.Change) (old, now uint64) {
	switch ch.Op {
	case changelog.Delete:
		return d.key(t, ch.Before), 0
	case changelog.Update:
		now = d.key(t, ch.After)
		if old = d.key(t, ch.Before); old == 0 {
			old = now
		}
		return old, now
	}
	return 0, d.key(t, ch.After)
}

// text is the identity of a text.
func (d *identities) text(s string) uint64 {
	d.scratch = append(d.scratch[:0], s...)
	return sum(d.scratch)
}

// of mixes numbers into one.
func (d *identities) of(numbers ...uint64) uint64 {
	d.scratch = d.scratch[:0]
	for _, n := range numbers {
		d.scratch = binary.LittleEndian.AppendUint64(d.scratch, n)
	}
	return sum(d.scratch)
}

// sum is FNV-1a over words of eight bytes and a finishing mix, as murmur3 has it.
func sum(p []byte) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037) ^ uint64(len(p))
	for ; len(p) >= 8; p = p[8:] {
		h = (h ^ binary.LittleEndian.Uint64(p)) * prime
		h ^= h >> 32
	}
	for _, c := range p {
		h = (h ^ uint64(c)) * prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return max(h, 1)
}
