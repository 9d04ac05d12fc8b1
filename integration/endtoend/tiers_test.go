package endtoend

import "os"

// longer chooses between the size of a test in the ordinary tier and in the long one (make test-long).
func longer[T any](short, long T) T {
	if os.Getenv("CDCBRIDGE_LONG") != "" {
		return long
	}
	return short
}
