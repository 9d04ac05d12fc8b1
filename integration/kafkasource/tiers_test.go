package kafkasource

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"cdcbridge/integration/harness"
)

// longer chooses between the size of a test in the ordinary tier and in the long one.
func longer(short, whole int) int {
	if harness.Long {
		return whole
	}
	return short
}

// freshSeed is a new seed, or that of CDCBRIDGE_SEED to repeat a run.
func freshSeed(t *testing.T) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("CDCBRIDGE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	return seed
}

// afterOf gives the after image of a debezium-json message; an error when it has none, which the last message of a key must have.
func afterOf(value []byte) (string, error) {
	var m struct {
		After json.RawMessage `json:"after"`
	}
	if err := json.Unmarshal(value, &m); err != nil {
		return "", err
	}
	if len(m.After) == 0 || string(m.After) == "null" {
		return "", fmt.Errorf("no after image: %s", value)
	}
	return string(m.After), nil
}
