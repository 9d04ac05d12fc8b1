//go:build race

package kafkawire

// raceEnabled says that the race detector is on: then sync.Pool drops at random and pooled compressors are made anew.
const raceEnabled = true
