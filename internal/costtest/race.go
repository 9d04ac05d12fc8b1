//go:build race

package costtest

// RaceDetector says that pools drop at random and what they hold is made anew, so that costs are not exact.
const RaceDetector = true

const tries, rounds = 1, 1 // it is slow
