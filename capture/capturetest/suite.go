package capturetest

import (
	"context"
	"testing"

	"cdcbridge/capture"
	"cdcbridge/changelog"
)

// Database is a real server, for one Run, and what is particular about it.
type Database struct {
	Server Server

	// Captured and Other are two schemas (databases on MySQL) that exist. The suite makes its tables in both and captures
	// some of Captured's.
	Captured, Other string

	// Quote quotes an identifier.
	Quote func(name string) string

	// Types is a column of every type that can be NULL.
	Types []Type

	// Tampered gives positions that differ from a real one, which stands within a transaction, in what they say about the
	// rows that are done: other rows, or more than there are. The log then shows other rows than it did.
	Tampered func(changelog.Position) []changelog.Position

	// Undescribed says that the log does not tell what its rows look like: shapes are known from where a stream first came across a
	// table on, and followed from there by the state of checkpoints.
	Undescribed bool
}

// Type is a column type of the database.
type Type struct {
	SQL     string // as CREATE TABLE has it, nullable: "decimal(10,2)"
	Literal string // an expression of a value that is not NULL: "12.30"
}

// Server controls the server. Its methods are called one after the other.
type Server interface {
	// Config gives a fresh section for the server, valid and with timeouts so short that five seconds without reading or
	// hearing anything are long. Without a checkpoint it begins at the present end of the log.
	Config(Options) capture.Config

	// Connect opens a session of its own, with Captured's rights to do everything.
	Connect(ctx context.Context) (Session, error)

	// Restart ends the server, in order or not, and starts it again with the same data at the same address. It returns when
	// the server serves.
	Restart(ctx context.Context) error

	// Disconnect ends, from the server's side, all connections that stream changes now.
	Disconnect(ctx context.Context) error

	// Forget removes what sources have made on the server for a pipeline, a slot for example. Nothing streams then.
	Forget(ctx context.Context, pipeline string) error
}

// Session is one connection. The suite's statements are those that databases agree on; one that fails ends the test.
type Session interface {
	Exec(ctx context.Context, statement string) error
	Close() error
}

// Options are what the suite wants of a section.
type Options struct {
	Tables   []string // patterns of what is captured
	Exclude  []string // patterns of what is not
	Batch    int      // size at which a batch goes out, bytes; 0: the default
	Password string   // of the source's account; "": the right one
}

// Run holds a source to the contract of package capture on a real server. It takes less than a minute.
func Run(t *testing.T, db *Database) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"preflight", preflight},
		{"start", startIsResolved},
		{"order", transactionsInOrder},
		{"commits", commitOrder},
		{"uncaptured", uncapturedNeverShow},
		{"shapes", shapesOfTheirTime},
		{"same", sameStreamAgain},
		{"resume", resumeEverywhere},
		{"sizes", batchSizesAreFree},
		{"step", oneBatchAnAttempt},
		{"rows", largeRows},
		{"tampered", replayDiffers},
		{"drained", drainedWhenIdle},
		{"idle", idlePositionsMove},
		{"pressure", backPressure},
		{"memory", batchesKeepTheirMemory},
		{"cancel", cancelAtAnyTime},
		{"ack", acksAtAnyTime},
		{"stats", statsAtAnyTime},
		{"cut", connectionCut},
		{"restart", serverRestart},
		{"garbage", garbageIsRefused},
		{"password", wrongPassword},
		{"truncate", truncateStops},
		{"nulls", nullsAnywhere},
		{"names", oddNames},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newBench(t, db, c.name)) })
	}
}
