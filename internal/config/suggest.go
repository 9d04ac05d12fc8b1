package config

import "strings"

// nearest returns the name that s was probably meant to be, or "".
func nearest(s string, names []string) string {
	best, bestDistance := "", 1+max(1, len(s)/3)
	for _, name := range names {
		d := distance(s, name)
		// A forgotten or added part ("host_name" for "host") is closer to the mind than to the eye.
		if d >= bestDistance && len(s) > 3 && len(name) > 3 && (extends(s, name) || extends(name, s)) {
			d = bestDistance - 1
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// extends reports that long is short and further words.
func extends(long, short string) bool {
	return strings.HasPrefix(long, short+"_") || strings.HasPrefix(long, short+"-")
}

// unknown says that s is none of names, and which one was probably meant.
func unknown(what, s string, names []string) string {
	if n := nearest(s, names); n != "" {
		return what + ", did you mean " + n + "?"
	}
	return what + "; known are " + strings.Join(names, ", ")
}

// distance counts insertions, deletions, replacements and swaps of neighbours that make b of a.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
