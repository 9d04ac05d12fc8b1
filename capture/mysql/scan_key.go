package mysql

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// This file makes the predicates that a chunk is read by. They are written so that the index of the key gives the rows: in
// its own order, descending parts included, and as one range from the cursor on, never from the beginning. So a key (a,b)
// becomes a > x OR (a = x AND b > y), because the server scans for a row constructor; and constants have the column's own
// type, because a number in quotes, or a string in another character set, is compared with every row.

// scanKey is the key of a table: an index over whole columns that are not nullable, so that no two rows have the same values.
type scanKey struct {
	index string
	parts []keyPart
}

// keyPart is one column of a key.
type keyPart struct {
	name       string
	descending bool
	form       literalForm
	charset    string // formText: the column's own
	values     uint64 // formLabels: how many numbers there are, 0: too many to be listed
	order      string // what the order of the values depends on, for people and for cursors
}

// literalForm is how a constant of a type is written.
type literalForm uint8

const (
	formNumber literalForm = iota // integers, years and bits
	formDecimal
	formFloat
	formDate
	formTime
	formTimestamp // of a DATETIME too: the session's zone is UTC
	formTimeText  // the same on MySQL 5.7, which finds nothing before TIMESTAMP'2023-02-31 00:00:00.5'
	formText
	formBytes
	formLabels // ENUM and SET, which sort by number
)

// mostListed is how many values of an ENUM or SET are listed at most. The server has no range for e > 3, but one for
// e IN (4,5,6).
const mostListed = 1024

// literal writes a constant of what the text protocol has shown. It lets nothing through that is not of the form.
func (p *keyPart) literal(raw []byte) (string, error) {
	s := string(raw)
	ok := false
	switch p.form {
	case formText:
		return "_" + p.charset + " X'" + hex.EncodeToString(raw) + "'", nil
	case formBytes:
		return "X'" + hex.EncodeToString(raw) + "'", nil
	case formNumber:
		ok = isInteger(s)
	case formLabels:
		ok = isInteger(s) && s[0] != '-'
	case formDecimal:
		whole, fraction, point := strings.Cut(s, ".")
		ok = isInteger(whole) && (!point || isInteger(fraction) && fraction[0] != '-')
	case formFloat:
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			s, ok = strconv.FormatFloat(v, 'e', -1, 64), v-v == 0 // neither infinite nor a NaN
		}
	case formDate:
		s, ok = "DATE'"+s+"'", isTemporal(s)
	case formTime:
		s, ok = "TIME'"+s+"'", isTemporal(s)
	case formTimestamp:
		s, ok = "TIMESTAMP'"+s+"'", isTemporal(s)
	case formTimeText:
		s, ok = "'"+s+"'", isTemporal(s)
	}
	if !ok {
		return "", fmt.Errorf("%.80q is no value of the column %q", raw, p.name)
	}
	return s, nil
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func isTemporal(s string) bool { return s != "" && strings.Trim(s, "0123456789-: .") == "" }

// literals writes the constants of a cursor, which may have fewer values than the key has parts.
func (k *scanKey) literals(values [][]byte) ([]string, error) {
	out := make([]string, len(values))
	for i, v := range values {
		var err error
		if out[i], err = k.parts[i].literal(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// after is the condition of the rows that come after a cursor in the order of the index.
func (k *scanKey) after(literals []string) string { return k.compare(literals, true, false) }

// upTo is the condition of the other rows.
func (k *scanKey) upTo(literals []string) string { return k.compare(literals, false, true) }

func (k *scanKey) compare(literals []string, greater, equal bool) string {
	var or []string
	for i := range literals {
		var and []string
		for j := range i {
			and = append(and, quoteName(k.parts[j].name)+"="+literals[j])
		}
		and = append(and, k.parts[i].compare(literals[i], greater, equal && i == len(literals)-1))
		or = append(or, "("+strings.Join(and, " AND ")+")")
	}
	return "(" + strings.Join(or, " OR ") + ")"
}

// compare compares in the direction of the index.
func (p *keyPart) compare(literal string, greater, equal bool) string {
	greater = greater != p.descending
	name := quoteName(p.name)
	if p.values > 0 {
		return name + " IN (" + p.list(literal, greater, equal) + ")"
	}
	op := "<"
	if greater {
		op = ">"
	}
	if equal {
		op += "="
	}
	return name + op + literal
}

// list lists the numbers of an ENUM or SET on one side of a number. The last one exists nowhere: it keeps the server from
// making a list of one an equality, after which it would sort.
func (p *keyPart) list(literal string, greater, equal bool) string {
	at, _ := strconv.ParseUint(literal, 10, 64) // a digit too much is no number of the type, and beyond all of them
	var b []byte
	for n := range p.values {
		if n > at && greater || n < at && !greater || n == at && equal {
			b = append(strconv.AppendUint(b, n, 10), ',')
		}
	}
	return string(strconv.AppendUint(b, p.values, 10))
}

// orderBy is the order of the index.
func (k *scanKey) orderBy() string {
	parts := make([]string, len(k.parts))
	for i, p := range k.parts {
		parts[i] = quoteName(p.name)
		if p.descending {
			parts[i] += " DESC"
		}
	}
	return " ORDER BY " + strings.Join(parts, ",")
}
