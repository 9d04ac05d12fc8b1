package mysql

import "encoding/binary"

// appendWire appends the set as COM_BINLOG_DUMP_GTID carries it, which is also what PREVIOUS_GTIDS holds: a count of
// sources, then each with its UUID, a count of ranges and the ranges, whose ends are exclusive.
//
// A set with a tag is in the format of MySQL 8.3 and later: the count stands between two format bytes, and every UUID is
// followed by the tag with its length, doubled, in front. A set without tags is in the format that every release reads.
func (s *gtidSet) appendWire(dst []byte) []byte {
	tagged := false
	for _, e := range s.entries {
		tagged = tagged || e.tag != ""
	}
	count := uint64(len(s.entries))
	if tagged {
		count = 1 | count<<8 | 1<<56
	}
	dst = binary.LittleEndian.AppendUint64(dst, count)
	for _, e := range s.entries {
		dst = append(dst, e.uuid[:]...)
		if tagged {
			dst = append(append(dst, byte(len(e.tag)<<1)), e.tag...)
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(e.ranges)))
		for _, r := range e.ranges {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.first))
			dst = binary.LittleEndian.AppendUint64(dst, uint64(r.last)+1)
		}
	}
	return dst
}
