package postgres

import "github.com/jackc/pglogrepl"

// serverFacts is what a server says of itself, read at one moment.
type serverFacts struct {
	version  string            // "18.6 (Debian …)"
	number   int               // 180006
	system   string            // system identifier
	timeline uint32            // on which it writes
	flushed  pglogrepl.LSN     // its log is on its disk up to here
	database string            // the one that we are connected to
	standby  bool              // it is in recovery
	settings map[string]string // those that wantedSettings names; what the release does not have is missing
}
