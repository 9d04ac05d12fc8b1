//go:build !race

package costtest

// RaceDetector says that costs are not exact.
const RaceDetector = false

const (
	tries  = 3
	rounds = 8 // that are measured together, so that what is made anew every few of them counts with its share
)
