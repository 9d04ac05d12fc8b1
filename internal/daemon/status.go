package daemon

import (
	"maps"
	"time"

	"cdcbridge/capture"
	"cdcbridge/internal/pipeline"
)

// Status is the document of /status. Its fields are stable: later releases may add some and rename none.
type Status struct {
	Version   string           `json:"version"`
	StartedAt time.Time        `json:"started_at"`
	Ready     bool             `json:"ready"`
	Pipelines []PipelineStatus `json:"pipelines"` // in the order of the configuration

	Reload *ReloadStatus `json:"reload,omitempty"` // the last time that the configuration was read again; absent: it never was
}

// PipelineStatus is one pipeline in /status. Times that are not known are absent.
type PipelineStatus struct {
	Name  string    `json:"name"`
	State State     `json:"state"`
	Since time.Time `json:"since"` // of the state
	Ready bool      `json:"ready"`

	// Of the last failure, until the pipeline runs again.
	Code        string     `json:"code,omitempty"`
	Error       string     `json:"error,omitempty"`
	Hint        string     `json:"hint,omitempty"`
	Doc         string     `json:"doc,omitempty"` // where the code is explained: docs/errors.md#code
	NextAttempt *time.Time `json:"next_attempt,omitempty"`

	Attempts uint64            `json:"attempts"` // begun since the daemon's start
	Restarts map[string]uint64 `json:"restarts"` // attempts that were followed by another one, by the code of their failure

	Position     string     `json:"position"`         // committed; the source's own text
	ReadPosition string     `json:"read_position"`    // where the source reads
	Server       string     `json:"server,omitempty"` // host:port that the source reads
	CommitTime   *time.Time `json:"commit_time,omitempty"`
	LastCommit   *time.Time `json:"last_commit,omitempty"`
	LagSeconds   *float64   `json:"lag_seconds"` // age of what is not yet readable; 0 when all is; null when unknown
	CaughtUp     bool       `json:"caught_up"`   // the source has nothing more

	Protocol               string   `json:"protocol,omitempty"` // of Kafka's transactions: what the cluster offers
	InFlightBytes          int64    `json:"in_flight_bytes"`
	MemoryBytes            int64    `json:"memory_bytes"` // the budget of in_flight_bytes
	OpenTransactionSeconds *float64 `json:"open_transaction_seconds,omitempty"`
	RetainedBytes          uint64   `json:"retained_bytes,omitempty"`       // log that the source's server keeps for this pipeline alone
	RetainedLimitBytes     uint64   `json:"retained_limit_bytes,omitempty"` // the most that it will keep; absent: no limit, or unknown
	Counters               Counters `json:"counters"`

	Watermark  *time.Time          `json:"watermark,omitempty"` // what is committed later has event times at or after it
	Partitions []PartitionProgress `json:"partitions"`          // of a source that reads topics

	Snapshots []SnapshotProgress `json:"snapshots"` // tables that are being read, wait for it, or were read lately
}

// Counters count since the daemon's start, over all attempts of a pipeline.
type Counters struct {
	Changes            uint64  `json:"changes"`             // row changes committed
	SnapshotChanges    uint64  `json:"snapshot_changes"`    // of these, rows that snapshots read
	Transactions       uint64  `json:"transactions"`        // source transactions committed
	Records            uint64  `json:"records"`             // records committed
	Bytes              uint64  `json:"bytes"`               // of record batches committed, compressed
	Commits            uint64  `json:"commits"`             // Kafka transactions committed
	Splits             uint64  `json:"splits"`              // of those, the ones that end inside a source transaction
	Aborts             uint64  `json:"aborts"`              // Kafka transactions aborted
	Repeated           uint64  `json:"repeated"`            // calls to Kafka that had to be made again
	CommitSeconds      float64 `json:"commit_seconds"`      // spent in commits
	SourceTransactions uint64  `json:"source_transactions"` // read
	SourceChanges      uint64  `json:"source_changes"`      // read, captured
	SourceEvents       uint64  `json:"source_events"`       // log events read, captured or not
	SourceBytes        uint64  `json:"source_bytes"`        // log bytes read

	SkippedRecords   uint64 `json:"skipped_records"`   // records of topics that could not be read and were left out
	ParkedRecords    uint64 `json:"parked_records"`    // of these, those that went to the dead-letter topic
	RepeatedChanges  uint64 `json:"repeated_changes"`  // changes that were dropped because they had been there before
	CommitsSucceeded uint64 `json:"commits_succeeded"` // commits of the consumer group's offsets
	CommitsFailed    uint64 `json:"commits_failed"`    // the same, those that failed
}

func countersOf(s pipeline.Stats) Counters {
	return Counters{
		Changes: s.Changes, SnapshotChanges: s.Read, Transactions: s.Transactions, Records: s.Records, Bytes: s.Bytes,
		Commits: s.Commits, Splits: s.Splits, Aborts: s.Sink.Aborted, Repeated: s.Sink.Repeated, CommitSeconds: s.CommitTotal.Seconds(),
		SourceTransactions: s.Source.Transactions, SourceChanges: s.Source.Changes,
		SourceEvents: s.Source.Events, SourceBytes: s.Source.Bytes,
		SkippedRecords: s.Source.Skipped, ParkedRecords: s.Source.Parked, RepeatedChanges: s.Source.Repeated,
		CommitsSucceeded: s.Source.Commits.Succeeded, CommitsFailed: s.Source.Commits.Failed,
	}
}

func (c Counters) plus(o Counters) Counters {
	return Counters{
		Changes: c.Changes + o.Changes, SnapshotChanges: c.SnapshotChanges + o.SnapshotChanges, Transactions: c.Transactions + o.Transactions, Records: c.Records + o.Records, Bytes: c.Bytes + o.Bytes,
		Commits: c.Commits + o.Commits, Splits: c.Splits + o.Splits, Aborts: c.Aborts + o.Aborts,
		Repeated: c.Repeated + o.Repeated, CommitSeconds: c.CommitSeconds + o.CommitSeconds,
		SourceTransactions: c.SourceTransactions + o.SourceTransactions, SourceChanges: c.SourceChanges + o.SourceChanges,
		SourceEvents: c.SourceEvents + o.SourceEvents, SourceBytes: c.SourceBytes + o.SourceBytes,
		SkippedRecords: c.SkippedRecords + o.SkippedRecords, ParkedRecords: c.ParkedRecords + o.ParkedRecords, RepeatedChanges: c.RepeatedChanges + o.RepeatedChanges,
		CommitsSucceeded: c.CommitsSucceeded + o.CommitsSucceeded, CommitsFailed: c.CommitsFailed + o.CommitsFailed,
	}
}

// Status tells how everything is at this moment.
func (d *Daemon) Status() Status {
	now := time.Now()
	s := Status{Version: d.o.Version, StartedAt: d.startedAt.UTC(), Ready: true, Pipelines: []PipelineStatus{}, Reload: d.lastReload()}
	for _, r := range d.all() {
		p := r.status(now)
		s.Ready = s.Ready && p.Ready
		s.Pipelines = append(s.Pipelines, p)
	}
	return s
}

func (r *runner) status(now time.Time) PipelineStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s pipeline.Stats
	if r.attempt != nil {
		s = r.attempt.Stats()
	}
	ready := r.reason(now, func() pipeline.Stats { return s }) == nil
	if r.attempt != nil {
		r.note(s, now)
	}
	p := PipelineStatus{
		Name: r.p.Name, State: r.state, Since: r.since.UTC(), Ready: ready,
		Attempts: r.attempts, Restarts: map[string]uint64{}, Position: r.position, Counters: r.before,
		CommitTime: timeOf(r.commitTime), Watermark: timeOf(r.watermark), Partitions: []PartitionProgress{}, Snapshots: []SnapshotProgress{},
	}
	p.snapshots(r.snapshots)
	p.partitions(r.partitions)
	for code, n := range maps.All(r.restarts) {
		p.Restarts[string(code)] = n
	}
	if r.fault != nil {
		p.Code, p.Error, p.Hint, p.Doc = string(r.fault.Code), causeOf(r.fault), r.fault.Hint, r.fault.Code.Doc()
	}
	if !r.next.IsZero() {
		next := r.next.UTC()
		p.NextAttempt = &next
	}
	if r.attempt == nil {
		p.LagSeconds = since(r.commitTime, now)
		return p
	}
	p.ReadPosition, p.Server = s.Source.Position, s.Source.Server
	p.LastCommit = timeOf(s.LastCommit)
	p.LagSeconds, p.CaughtUp = lag(s, r.commitTime, now), s.Source.CaughtUp
	p.Protocol = s.Sink.Protocol
	p.InFlightBytes, p.MemoryBytes = s.InFlight, s.Memory
	p.OpenTransactionSeconds = since(s.OpenSince, now)
	p.RetainedBytes, p.RetainedLimitBytes = s.Source.RetainedBytes, s.Source.RetainedLimit
	p.Counters = r.before.plus(countersOf(s))
	return p
}

func (p *PipelineStatus) snapshots(tables []capture.TableSnapshot) {
	for _, t := range tables {
		p.Snapshots = append(p.Snapshots, progressOf(t))
	}
}

// lag is the age of the newest transaction that was read, unless everything is committed and there is nothing more. While
// nothing has been read it is the age of the newest one committed by an earlier attempt, which is an upper bound.
func lag(s pipeline.Stats, committed int64, now time.Time) *float64 {
	if isDone(s) {
		zero := 0.0
		return &zero
	}
	if s.Source.EventTime != 0 {
		return since(s.Source.EventTime, now)
	}
	return since(committed, now)
}

// timeOf converts microseconds since the Unix epoch; 0 is unknown.
func timeOf(micros int64) *time.Time {
	if micros == 0 {
		return nil
	}
	t := time.UnixMicro(micros).UTC()
	return &t
}

// since gives the seconds that have passed since then; 0 is unknown. Clocks differ: it is never negative.
func since(micros int64, now time.Time) *float64 {
	if micros == 0 {
		return nil
	}
	d := max(0, now.Sub(time.UnixMicro(micros)).Seconds())
	return &d
}
