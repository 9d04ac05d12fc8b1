package mysql

// The Unicode encodings of MySQL other than UTF-8. All of them refuse surrogates on the way in, except ucs2.

func nextUCS2(_ *charset, p []byte) (rune, int) {
	if len(p) < 2 {
		return -1, len(p)
	}
	return scalar(rune(p[0])<<8 | rune(p[1])), 2
}

func nextUTF16(_ *charset, p []byte) (rune, int) {
	if len(p) < 2 {
		return -1, len(p)
	}
	unit := func(i int) rune { return rune(p[i])<<8 | rune(p[i+1]) }
	return pair(unit, len(p))
}

func nextUTF16LE(_ *charset, p []byte) (rune, int) {
	if len(p) < 2 {
		return -1, len(p)
	}
	unit := func(i int) rune { return rune(p[i+1])<<8 | rune(p[i]) }
	return pair(unit, len(p))
}

// pair puts the code unit at 0 and, if it is a high surrogate, the one at 2 together.
func pair(unit func(int) rune, size int) (rune, int) {
	r := unit(0)
	if r < 0xD800 || r > 0xDBFF || size < 4 {
		return scalar(r), 2
	}
	low := unit(2)
	if low < 0xDC00 || low > 0xDFFF {
		return -1, 2
	}
	return 0x10000 + (r-0xD800)<<10 | (low - 0xDC00), 4
}

func nextUTF32(_ *charset, p []byte) (rune, int) {
	if len(p) < 4 {
		return -1, len(p)
	}
	if p[0] != 0 || p[1] > 0x10 {
		return -1, 4
	}
	return scalar(rune(p[1])<<16 | rune(p[2])<<8 | rune(p[3])), 4
}

// scalar gives -1 for surrogates, which no UTF-8 text can hold.
func scalar(r rune) rune {
	if r >= 0xD800 && r <= 0xDFFF {
		return -1
	}
	return r
}
