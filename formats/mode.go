package formats

// Mode is what an output's topics are for, as far as a format must know.
type Mode struct {
	Upsert     bool // topics are compacted: one key a row
	Tombstones bool // a delete there ends with a tombstone
}

// ModeChecker is implemented by the Config of formats whose options do not suit every mode.
type ModeChecker interface {
	// CheckMode returns every problem, each beginning with the key of the options that it is about.
	CheckMode(m Mode) []error
}
