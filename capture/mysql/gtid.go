package mysql

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxTag is the longest tag of a GTID, in characters.
const maxTag = 32

// gtidSource is what numbers the transactions of a GTID: a server's UUID and, from MySQL 8.3 on, an optional tag.
type gtidSource struct {
	uuid [16]byte
	tag  string // lower case; "" is no tag
}

func (s gtidSource) compare(t gtidSource) int {
	if c := bytes.Compare(s.uuid[:], t.uuid[:]); c != 0 {
		return c
	}
	return strings.Compare(s.tag, t.tag)
}

// gnoRange is a run of transaction numbers, both ends included.
type gnoRange struct{ first, last int64 }

// gtidEntry is the numbers of one source: sorted, disjoint and never adjacent.
type gtidEntry struct {
	gtidSource
	ranges []gnoRange
	head   []byte // text of all ranges but the last, which alone changes on a live stream; nil: not rendered
}

// gtidSet is a set of GTIDs, tags included. The zero value is empty. It is used by one goroutine.
//
// Entries are sorted by UUID, then tag, which is the server's own order in text and on the wire.
type gtidSet struct {
	entries []*gtidEntry
	last    *gtidEntry // where the last add went: nearly always where the next one goes
}

// add puts one GTID into the set. Adding the successor of the newest number allocates nothing.
func (s *gtidSet) add(src gtidSource, gno int64) {
	if s.last == nil || s.last.gtidSource != src {
		s.last = s.entry(src)
	}
	s.last.add(gnoRange{gno, gno})
}

// entry finds or makes the entry of a source.
func (s *gtidSet) entry(src gtidSource) *gtidEntry {
	i, ok := slices.BinarySearchFunc(s.entries, src, func(e *gtidEntry, t gtidSource) int { return e.compare(t) })
	if !ok {
		s.entries = slices.Insert(s.entries, i, &gtidEntry{gtidSource: src})
	}
	return s.entries[i]
}

// ranges gives the numbers of a source, nil when it has none.
func (s *gtidSet) ranges(src gtidSource) []gnoRange {
	i, ok := slices.BinarySearchFunc(s.entries, src, func(e *gtidEntry, t gtidSource) int { return e.compare(t) })
	if !ok {
		return nil
	}
	return s.entries[i].ranges
}

func (e *gtidEntry) add(r gnoRange) {
	n := len(e.ranges)
	if n > 0 && e.ranges[n-1].first <= r.first && r.first <= e.ranges[n-1].last+1 {
		e.ranges[n-1].last = max(e.ranges[n-1].last, r.last)
		return
	}
	e.head = nil
	// from is the first range that r touches, to the first one behind it.
	from := 0
	for from < n && e.ranges[from].last+1 < r.first {
		from++
	}
	to := from
	for to < n && e.ranges[to].first <= r.last+1 {
		r.first, r.last = min(r.first, e.ranges[to].first), max(r.last, e.ranges[to].last)
		to++
	}
	e.ranges = slices.Replace(e.ranges, from, to, r)
}

// addSet puts all of t into s.
func (s *gtidSet) addSet(t *gtidSet) {
	for _, e := range t.entries {
		into := s.entry(e.gtidSource)
		for _, r := range e.ranges {
			into.add(r)
		}
	}
}

// contains reports whether one GTID is in the set.
func (s *gtidSet) contains(src gtidSource, gno int64) bool {
	for _, r := range s.ranges(src) {
		if r.first <= gno && gno <= r.last {
			return true
		}
	}
	return false
}

// containsSet reports t ⊆ s.
func (s *gtidSet) containsSet(t *gtidSet) bool {
	missing := t.minus(s)
	return missing.empty()
}

// minus gives what is in s and not in t.
func (s *gtidSet) minus(t *gtidSet) gtidSet {
	var out gtidSet
	for _, e := range s.entries {
		if left := subtract(e.ranges, t.ranges(e.gtidSource)); len(left) > 0 {
			out.entries = append(out.entries, &gtidEntry{gtidSource: e.gtidSource, ranges: left})
		}
	}
	return out
}

func subtract(from, what []gnoRange) []gnoRange {
	var out []gnoRange
	for _, r := range from {
		for _, w := range what {
			if w.last < r.first || w.first > r.last {
				continue
			}
			if w.first > r.first {
				out = append(out, gnoRange{r.first, w.first - 1})
			}
			if w.last >= r.last {
				r.first = r.last + 1
				break
			}
			r.first = w.last + 1
		}
		if r.first <= r.last {
			out = append(out, r)
		}
	}
	return out
}

func (s *gtidSet) empty() bool { return len(s.entries) == 0 }

func (s *gtidSet) clone() gtidSet {
	var out gtidSet
	out.addSet(s)
	return out
}

func (s *gtidSet) String() string { return string(s.appendText(nil)) }

// appendText appends the set as the server prints it, without line breaks: "uuid:1-33:blue:1,uuid:5".
func (s *gtidSet) appendText(dst []byte) []byte {
	for i, e := range s.entries {
		switch {
		case i == 0:
			dst = appendUUID(dst, e.uuid)
		case s.entries[i-1].uuid != e.uuid:
			dst = appendUUID(append(dst, ','), e.uuid)
		}
		if e.tag != "" {
			dst = append(append(dst, ':'), e.tag...)
		}
		if e.head == nil && len(e.ranges) > 1 {
			for _, r := range e.ranges[:len(e.ranges)-1] {
				e.head = r.appendText(e.head)
			}
		}
		dst = append(dst, e.head...)
		dst = e.ranges[len(e.ranges)-1].appendText(dst)
	}
	return dst
}

func (r gnoRange) appendText(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, ':'), r.first, 10)
	if r.last > r.first {
		dst = strconv.AppendInt(append(dst, '-'), r.last, 10)
	}
	return dst
}

func appendUUID(dst []byte, u [16]byte) []byte {
	var digits [32]byte
	hex.Encode(digits[:], u[:])
	dst = append(append(dst, digits[:8]...), '-')
	dst = append(append(dst, digits[8:12]...), '-')
	dst = append(append(dst, digits[12:16]...), '-')
	dst = append(append(dst, digits[16:20]...), '-')
	return append(dst, digits[20:]...)
}

func parseUUID(s string) (u [16]byte, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("%q is not a UUID", s)
	}
	if _, err := hex.Decode(u[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return u, fmt.Errorf("%q is not a UUID", s)
	}
	return u, nil
}

// parseGTIDSet reads the server's text form of a set, where white space is allowed and the order is free.
func parseGTIDSet(text string) (gtidSet, error) {
	var s gtidSet
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if err := s.parsePart(part); err != nil {
			return gtidSet{}, fmt.Errorf("reading the GTID set part %q: %w", part, err)
		}
	}
	return s, nil
}

// parsePart reads "uuid:1-3:5:tag:1-2".
func (s *gtidSet) parsePart(part string) error {
	fields := strings.Split(part, ":")
	uuid, err := parseUUID(strings.TrimSpace(fields[0]))
	if err != nil {
		return err
	}
	tag, numbers := "", 0
	for _, f := range fields[1:] {
		f = strings.TrimSpace(f)
		if t, ok := parseTag(f); ok {
			if tag != "" && numbers == 0 {
				return fmt.Errorf("tag %q has no numbers", tag)
			}
			tag, numbers = t, 0
			continue
		}
		r, err := parseRange(f)
		if err != nil {
			return err
		}
		numbers++
		s.entry(gtidSource{uuid, tag}).add(r)
	}
	if numbers == 0 {
		return fmt.Errorf("it has no numbers")
	}
	return nil
}

// parseTag recognizes a tag: a letter or underscore, then letters, digits and underscores, 32 characters at most.
func parseTag(f string) (string, bool) {
	if f == "" || len(f) > maxTag || f[0] >= '0' && f[0] <= '9' {
		return "", false
	}
	for i := range len(f) {
		c := f[i] | 0x20
		if (c < 'a' || c > 'z') && f[i] != '_' && (f[i] < '0' || f[i] > '9') {
			return "", false
		}
	}
	return strings.ToLower(f), true
}

func parseRange(f string) (gnoRange, error) {
	from, to, ranged := strings.Cut(f, "-")
	first, err := parseGNO(from)
	if err != nil {
		return gnoRange{}, err
	}
	if !ranged {
		return gnoRange{first, first}, nil
	}
	last, err := parseGNO(to)
	if err != nil {
		return gnoRange{}, err
	}
	if last < first {
		return gnoRange{}, fmt.Errorf("the range %q is empty", f)
	}
	return gnoRange{first, last}, nil
}

// parseGNO reads a transaction number; the largest that a server can assign is 2^63-2.
func parseGNO(f string) (int64, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(f), 10, 63)
	if err != nil || n == 0 || n > math.MaxInt64-1 {
		return 0, fmt.Errorf("%q is not a transaction number", f)
	}
	return int64(n), nil
}
