//go:build !race

package upsert

const raceEnabled = false
