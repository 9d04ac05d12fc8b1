package kafkawire

import "fmt"

// This file is the one place that decides what an answer's error code means for the caller. The reasons stand beside the
// rules because most of them were learnt from real brokers and none of them follows from the name of the code.

// Verdict says what to do after an answer.
type Verdict uint8

// The verdicts, from the mildest to the hardest.
const (
	Done            Verdict = iota // carried out
	ResendSame                     // send the same bytes again, only for the partitions that failed
	BackoffRepeat                  // repeat the same call after a few milliseconds; the coordinator has been looked up again if needed
	RefreshMetadata                // ask for leaders and topic ids, check the pins, then send the same bytes to the new leader
	Split                          // the batch is too large: send its records in smaller batches, the first with the same sequence
	Reopen                         // tear down and open again: nothing of this transaction may commit
	Final                          // a person must act
)

var verdictNames = [...]string{"done", "resend the same bytes", "back off and repeat", "refresh metadata", "split", "reopen", "final"}

// String names the verdict.
func (v Verdict) String() string {
	if int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict %d", uint8(v))
	}
	return verdictNames[v]
}

// Call is the kind of request that was answered.
type Call uint8

// The calls with a verdict of their own.
const (
	CallInitProducerID Call = iota + 1
	CallAddPartitions
	CallProduce
	CallEndTxn
	CallDescribeTransaction // also FindCoordinator
	CallRead                // Metadata, ListOffsets, Fetch, DescribeConfigs, DescribeProducers
	CallCreateTopics
	CallWriteMarkers
	CallAddOffsets      // AddOffsetsToTxn
	CallTxnOffsetCommit // TxnOffsetCommit
	CallGroup           // OffsetFetch, OffsetCommit, DescribeGroups, ConsumerGroupDescribe
)

const (
	inInit     = 1 << CallInitProducerID
	inAdd      = 1 << CallAddPartitions
	inProduce  = 1 << CallProduce
	inEnd      = 1 << CallEndTxn
	inDescribe = 1 << CallDescribeTransaction
	inRead     = 1 << CallRead
	inCreate   = 1 << CallCreateTopics
	inMarkers  = 1 << CallWriteMarkers
	inOffsets  = 1 << CallAddOffsets
	inCommit   = 1 << CallTxnOffsetCommit
	inGroup    = 1 << CallGroup
	inTxn      = inInit | inAdd | inProduce | inEnd | inDescribe | inOffsets | inCommit
	everywhere = inTxn | inRead | inCreate | inMarkers | inGroup
)

// rule gives a code its verdict in some calls and protocols; the first rule that fits decides.
type rule struct {
	code    Code
	calls   uint
	proto   Protocol // 0 = both
	verdict Verdict
	why     string
}

var rules = []rule{
	{code: OK, calls: everywhere, verdict: Done, why: "carried out"},

	{code: InvalidProducerEpoch, calls: inMarkers, verdict: Reopen, why: "a newer producer has written there since it was looked at"},
	{code: TransactionCoordinatorFenced, calls: inMarkers, verdict: Reopen, why: "a coordinator has written a control batch there since it was looked at"},
	{code: NotEnoughReplicas, calls: inMarkers, verdict: BackoffRepeat, why: "replicas are catching up; nothing was appended"},
	{code: NotEnoughReplicasAfterAppend, calls: inMarkers, verdict: BackoffRepeat, why: "it was appended; a second control batch changes nothing"},

	{code: UnstableOffsetCommit, calls: inGroup, verdict: BackoffRepeat, why: "a transaction that changes the offset is open or being ended"},
	{code: UnknownTopicOrPartition, calls: inCommit | inGroup, verdict: BackoffRepeat, why: "the coordinator has not heard of a new topic yet, or the topic is gone"},
	{code: NotEnoughReplicas, calls: inCommit | inGroup, verdict: BackoffRepeat, why: "replicas of __consumer_offsets are catching up"},
	{code: NotEnoughReplicasAfterAppend, calls: inCommit | inGroup, verdict: BackoffRepeat, why: "the offsets are written; the same ones once more change nothing"},

	{code: CoordinatorLoading, calls: everywhere, verdict: BackoffRepeat, why: "the coordinator is reading its log; it has not looked at the request"},
	{code: CoordinatorNotAvailable, calls: everywhere, verdict: BackoffRepeat, why: "__transaction_state is being created or its leader elected; needs a deadline, for it may never form"},
	{code: NotCoordinator, calls: everywhere, verdict: BackoffRepeat, why: "the coordinator moved; it is looked up again"},
	{code: TransactionCoordinatorFenced, calls: everywhere, verdict: BackoffRepeat, why: "the coordinator moved in the middle of the call"},

	{code: ConcurrentTransactions, calls: inProduce, proto: KIP890, verdict: ResendSame, why: "the markers of the previous transaction are not written yet; nothing was appended"},
	{code: ConcurrentTransactions, calls: inProduce, proto: Classic, verdict: Reopen, why: "classic brokers never answer this to Produce: the protocols do not match"},
	{code: ConcurrentTransactions, calls: everywhere, verdict: BackoffRepeat, why: "the previous transaction is still being ended"},

	{code: UnknownTopicOrPartition, calls: everywhere, verdict: RefreshMetadata, why: "a new topic is not known everywhere yet, or the topic is gone: the pins decide"},
	{code: LeaderNotAvailable, calls: everywhere, verdict: RefreshMetadata, why: "a leader is being elected"},
	{code: NotLeader, calls: everywhere, verdict: RefreshMetadata, why: "the leader moved"},
	{code: ReplicaNotAvailable, calls: everywhere, verdict: RefreshMetadata, why: "a replica is moving"},
	{code: ListenerNotFound, calls: everywhere, verdict: RefreshMetadata, why: "the leader is restarting"},
	{code: FencedLeaderEpoch, calls: everywhere, verdict: RefreshMetadata, why: "our leader epoch is old"},
	{code: UnknownLeaderEpoch, calls: everywhere, verdict: RefreshMetadata, why: "the broker's leader epoch is old"},
	{code: UnknownTopicID, calls: everywhere, verdict: RefreshMetadata, why: "the topic was replaced or is not known everywhere yet: the pins decide"},
	{code: InconsistentTopicID, calls: everywhere, verdict: RefreshMetadata, why: "the topic was replaced: the pins decide"},
	{code: KafkaStorageError, calls: everywhere, verdict: RefreshMetadata, why: "the broker's disk failed; another replica may take over, else the deadline makes it kafka_storage"},
	{code: NotController, calls: everywhere, verdict: RefreshMetadata, why: "the controller moved"},
	{code: OffsetNotAvailable, calls: inRead, verdict: BackoffRepeat, why: "a new leader does not know the high watermark yet"},

	{code: NotEnoughReplicas, calls: inProduce, verdict: ResendSame, why: "replicas are catching up; nothing was appended"},
	{code: NotEnoughReplicasAfterAppend, calls: inProduce, verdict: ResendSame, why: "it was appended; the same sequence makes the repetition harmless"},
	{code: RequestTimedOut, calls: inProduce, verdict: ResendSame, why: "it may have been appended; the same sequence makes the repetition harmless"},
	{code: RequestTimedOut, calls: everywhere, verdict: BackoffRepeat, why: "the broker could not finish in time"},
	{code: NetworkException, calls: inProduce, verdict: ResendSame, why: "the outcome is unknown; the same sequence makes the repetition harmless"},
	{code: NetworkException, calls: everywhere, verdict: BackoffRepeat, why: "the broker lost a connection to another"},
	{code: CorruptMessage, calls: inProduce, verdict: ResendSame, why: "the bytes were damaged on their way; needs a bound, for our own bug looks the same"},
	{code: ThrottlingQuotaExceeded, calls: everywhere, verdict: BackoffRepeat, why: "a quota is used up for now"},
	{code: OperationNotAttempted, calls: inAdd | inProduce, verdict: BackoffRepeat, why: "another partition of the call failed: its verdict decides"},

	{code: MessageTooLarge, calls: inProduce, verdict: Split, why: "larger than max.message.bytes; nothing was appended and the sequence is still free"},
	{code: RecordListTooLarge, calls: inProduce, verdict: Split, why: "larger than segment.bytes; nothing was appended and the sequence is still free"},

	{code: InvalidProducerEpoch, calls: inTxn, verdict: Reopen, why: "a mere transaction timeout answers this too: only a newer claim of another instance is a fence"},
	{code: InvalidTxnState, calls: inTxn, verdict: Reopen, why: "a timed-out transaction, or a commit with nothing in it"},
	{code: InvalidProducerIDMapping, calls: inTxn, verdict: Reopen, why: "the transactional id expired, or somebody else initialised it"},
	{code: ProducerFenced, calls: inTxn, verdict: Reopen, why: "a mere transaction timeout answers this too: only a newer claim of another instance is a fence"},
	{code: OutOfOrderSequence, calls: inProduce, verdict: Reopen, why: "the broker lost earlier batches, or this is an old duplicate (brokers since 4.1 say 45 for that)"},
	{code: DuplicateSequence, calls: inProduce, verdict: Reopen, why: "the broker no longer remembers where the first copy went"},
	{code: UnknownProducerID, calls: inTxn, verdict: Reopen, why: "the producer's batches were deleted by retention"},
	{code: TransactionAbortable, calls: inTxn, verdict: Reopen, why: "the broker asks for an abort; reopening aborts"},
	{code: UnsupportedVersion, calls: inTxn, verdict: Reopen, why: "the transaction feature was changed under us: the open chooses the protocol anew"},
	{code: TransactionalIDNotFound, calls: inDescribe, verdict: Reopen, why: "the transactional id expired"},
	{code: UnknownServerError, calls: everywhere, verdict: Reopen, why: "the broker met a bug or lost its disk; the outcome is unknown"},

	{code: TopicAlreadyExists, calls: inCreate, verdict: Done, why: "somebody else created it; its settings are checked all the same"},
}

// Judge returns what to do after an answer with this code, and why. Every code that no rule names is final: guessing is how
// rows are lost.
func Judge(call Call, proto Protocol, code Code) (Verdict, string) {
	for i := range rules {
		r := &rules[i]
		if r.code == code && r.calls&(1<<call) != 0 && (r.proto == 0 || r.proto == proto) {
			return r.verdict, r.why
		}
	}
	return Final, "repeating it cannot help"
}
