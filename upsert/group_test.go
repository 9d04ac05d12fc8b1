package upsert

import "testing"

// The partitions are those that Kafka computes by String.hashCode, over UTF-16.
func TestGroupPartition(t *testing.T) {
	for group, want := range map[string]int32{
		"": 0, "a": 47, "ab": 5, "cdcbridge-shop": 32, "gr\u00fcppe": 12,
		"\U0001F600":         49, // two units
		"polygenelubricants": 0,  // its hash has no negative
	} {
		if got := groupPartition(group, 50); got != want {
			t.Errorf("%q: %d, want %d", group, got, want)
		}
	}
}
