//go:build race

package costtest

// raceDetector says that pools drop at random, so that costs are not exact.
const raceDetector = true

const tries, rounds = 1, 1 // it is slow
