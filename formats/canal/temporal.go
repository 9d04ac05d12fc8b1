package canal

import (
	"time"

	"cdcbridge/changelog"
)

// appendInfinity appends PostgreSQL's words for the values that are no point in time, and reports whether v is one.
func appendInfinity(dst []byte, v *changelog.Value) ([]byte, bool) {
	switch v.Form() {
	case changelog.FormPosInf:
		return append(dst, "infinity"...), true
	case changelog.FormNegInf:
		return append(dst, "-infinity"...), true
	}
	return dst, false
}

func appendDate(dst []byte, v *changelog.Value) []byte {
	if dst, infinite := appendInfinity(dst, v); infinite {
		return dst
	}
	return changelog.AppendDate(dst, v.Civil())
}

func appendDateTime(dst []byte, v *changelog.Value, fsp int) []byte {
	if _, form, n, _ := v.Raw(); form == changelog.FormNormal {
		return changelog.AppendDateTime(dst, int64(n), ' ', fsp)
	}
	if dst, infinite := appendInfinity(dst, v); infinite {
		return dst
	}
	return appendCivil(dst, v.Civil(), fsp)
}

// appendTimestamp prints the wall clock of zone; nil is UTC. A zero timestamp is zero in every zone.
func appendTimestamp(dst []byte, v *changelog.Value, fsp int, zone *time.Location) []byte {
	if zone == nil || v.Form() != changelog.FormNormal {
		return appendDateTime(dst, v, fsp)
	}
	_, offset := time.UnixMicro(v.Int()).In(zone).Zone()
	return changelog.AppendDateTime(dst, v.Int()+int64(offset)*second, ' ', fsp)
}

func appendCivil(dst []byte, c changelog.Civil, fsp int) []byte {
	dst = append(changelog.AppendDate(dst, c), ' ')
	return changelog.AppendClock(dst, c, fsp)
}
