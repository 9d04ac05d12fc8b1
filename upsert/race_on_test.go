//go:build race

package upsert

// raceEnabled says that the race detector is on: then sync.Pool drops at random and buffers are made anew.
const raceEnabled = true
