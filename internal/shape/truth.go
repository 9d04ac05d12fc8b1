package shape

import "cdcbridge/changelog"

// truth is what a condition may be: SQL's three values, and any set of them where the log lacks a value. So a condition is decided as
// soon as what it lacks does not matter.
type truth uint8

const (
	trueOnly truth = 1 << iota
	falseOnly
	nullOnly

	anyTruth = trueOnly | falseOnly | nullOnly
)

func truthOf(v bool) truth {
	if v {
		return trueOnly
	}
	return falseOnly
}

// in reports that the row is wanted for certain, out that it is not: NULL is no match.
func (t truth) in() bool      { return t == trueOnly }
func (t truth) out() bool     { return t&trueOnly == 0 }
func (t truth) decided() bool { return t.in() || t.out() }

func (t truth) not() truth {
	return t&trueOnly<<1 | t&falseOnly>>1 | t&nullOnly
}

// and is false as soon as one is, and NULL where neither is false and one is NULL.
func (t truth) and(u truth) truth {
	r := (t | u) & falseOnly
	if t&trueOnly != 0 && u&trueOnly != 0 {
		r |= trueOnly
	}
	if t&nullOnly != 0 && u&(nullOnly|trueOnly) != 0 || u&nullOnly != 0 && t&trueOnly != 0 {
		r |= nullOnly
	}
	return r
}

func (t truth) or(u truth) truth { return t.not().and(u.not()).not() }

// test is a condition that is bound to a table version. It is immutable.
type test interface{ of(row changelog.Row) truth }

type (
	allOf  []test
	anyOf  []test
	notOne struct{ test }
	isNull struct{ column int }
	isTrue struct{ column int }

	undecided struct{} // of a table without the columns that a filter needs
)

func (a allOf) of(row changelog.Row) truth {
	r := trueOnly
	for _, t := range a {
		if r = r.and(t.of(row)); r == falseOnly {
			return r
		}
	}
	return r
}

func (a anyOf) of(row changelog.Row) truth {
	r := falseOnly
	for _, t := range a {
		if r = r.or(t.of(row)); r == trueOnly {
			return r
		}
	}
	return r
}

func (undecided) of(changelog.Row) truth { return anyTruth }

func (n notOne) of(row changelog.Row) truth { return n.test.of(row).not() }

func (n isNull) of(row changelog.Row) truth {
	v := at(row, n.column)
	if v.IsUnchanged() {
		return trueOnly | falseOnly
	}
	return truthOf(v.IsNull())
}

func (n isTrue) of(row changelog.Row) truth {
	switch v := at(row, n.column); {
	case v.IsUnchanged():
		return anyTruth
	case v.IsNull():
		return nullOnly
	default:
		return truthOf(v.Bool())
	}
}

var unchanged = changelog.Unchanged()

// at is a value of a row; a key-only image may end early.
func at(row changelog.Row, column int) *changelog.Value {
	if column >= len(row) {
		return &unchanged
	}
	return &row[column]
}
