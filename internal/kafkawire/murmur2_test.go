package kafkawire

import (
	"testing"

	"github.com/segmentio/kafka-go"
)

// The values are those that org.apache.kafka.common.utils.Utils.murmur2 gives.
func TestMurmur2KnownVectors(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func FuzzPartitionAgainstKafkaGo(f *testing.F) {
	for _, s := range []string{"", "1", "12", "123", "1234", `{"id":1}`, "\xff\xfe\xfd"} {
		f.Add([]byte(s), uint8(16))
	}
	balancer := kafka.Murmur2Balancer{Consistent: true}
	f.Fuzz(func(t *testing.T, key []byte, n uint8) {
		if n == 0 || key == nil {
			return
		}
		parts := make([]int, n)
		for i := range parts {
			parts[i] = i
		}
		want := balancer.Balance(kafka.Message{Key: key}, parts...)
		if got := PartitionOf(key, int32(n)); int(got) != want {
			t.Fatalf("PartitionOf(%q, %d) = %d, want %d", key, n, got, want)
		}
	})
}
