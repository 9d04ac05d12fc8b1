package harness

import (
	"flag"
	"strconv"
)

// SideBySide lets n tests of a package that call Parallel run at once, whatever the number of processors, because they wait for servers most of the time.
// A number that -parallel gives wins. TestMain calls it first.
func SideBySide(n int) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if chosen {
		return
	}
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // this is no test
	}
}
