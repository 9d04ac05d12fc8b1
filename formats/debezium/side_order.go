package debezium

import (
	"slices"
	"unicode/utf16"

	"cdcbridge/changelog"
)

// hashOrder gives the order in which java.util.HashMap hands its entries out, as indexes into counts: by the lower bits of the
// hash of the name, in as many buckets as the number of entries calls for, and within a bucket as they were put in.
func hashOrder(counts []changelog.Count) []int {
	buckets := 16
	for len(counts)*4 > buckets*3 {
		buckets *= 2
	}
	bucket := make([]int, len(counts))
	order := make([]int, len(counts))
	for i := range counts {
		h := javaHash(counts[i].Table)
		bucket[i], order[i] = int(h^h>>16)&(buckets-1), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bucket[a] - bucket[b] })
	return order
}

// javaHash is String.hashCode, over UTF-16 units.
func javaHash(s string) uint32 {
	h := uint32(0)
	for _, u := range utf16.Encode([]rune(s)) {
		h = 31*h + uint32(u)
	}
	return h
}
