package upsertsink

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at once than there are processors, for most of them wait for brokers most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
