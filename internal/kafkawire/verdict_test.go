package kafkawire

import (
	"strings"
	"testing"

	"cdcbridge/internal/fault"
)

// TestVerdicts pins the rules that were learnt from real brokers.
func TestVerdicts(t *testing.T) {
	both := []Protocol{Classic, KIP890}
	for _, c := range []struct {
		call   Call
		protos []Protocol
		code   Code
		want   Verdict
	}{
		{CallProduce, both, OK, Done},
		{CallProduce, []Protocol{KIP890}, ConcurrentTransactions, ResendSame},
		{CallProduce, []Protocol{Classic}, ConcurrentTransactions, Reopen},
		{CallProduce, both, NotEnoughReplicas, ResendSame},
		{CallProduce, both, NotEnoughReplicasAfterAppend, ResendSame},
		{CallProduce, both, RequestTimedOut, ResendSame},
		{CallProduce, both, UnknownTopicOrPartition, RefreshMetadata},
		{CallProduce, both, NotLeader, RefreshMetadata},
		{CallProduce, both, KafkaStorageError, RefreshMetadata},
		{CallProduce, both, OutOfOrderSequence, Reopen},
		{CallProduce, both, DuplicateSequence, Reopen},
		{CallProduce, both, InvalidProducerEpoch, Reopen},
		{CallProduce, both, InvalidTxnState, Reopen},
		{CallProduce, both, UnknownProducerID, Reopen},
		{CallProduce, both, TransactionAbortable, Reopen},
		{CallProduce, both, OperationNotAttempted, BackoffRepeat},
		{CallProduce, both, MessageTooLarge, Split},
		{CallProduce, both, RecordListTooLarge, Split},
		{CallProduce, both, InvalidTimestamp, Final},
		{CallProduce, both, InvalidRecord, Final},
		{CallProduce, both, TopicAuthorizationFailed, Final},
		{CallProduce, both, UnknownServerError, Reopen},
		{CallProduce, both, Code(999), Final},
		{CallAddPartitions, both, ConcurrentTransactions, BackoffRepeat},
		{CallAddPartitions, both, ProducerFenced, Reopen},
		{CallEndTxn, both, ConcurrentTransactions, BackoffRepeat},
		{CallEndTxn, both, UnsupportedVersion, Reopen},
		{CallEndTxn, both, InvalidProducerIDMapping, Reopen},
		{CallEndTxn, both, NotCoordinator, BackoffRepeat},
		{CallInitProducerID, both, CoordinatorNotAvailable, BackoffRepeat},
		{CallInitProducerID, both, ConcurrentTransactions, BackoffRepeat},
		{CallInitProducerID, both, InvalidTransactionTimeout, Final},
		{CallInitProducerID, both, TransactionalIDAuthorization, Final},
		{CallInitProducerID, both, ProducerFenced, Reopen},
		{CallRead, both, OffsetNotAvailable, BackoffRepeat},
		{CallRead, both, OffsetOutOfRange, Final},
		{CallCreateTopics, both, TopicAlreadyExists, Done},
		{CallProduce, both, TopicAlreadyExists, Final},
		{CallWriteMarkers, both, NotEnoughReplicas, BackoffRepeat},
		{CallWriteMarkers, both, NotLeader, RefreshMetadata},
		{CallWriteMarkers, both, InvalidProducerEpoch, Reopen},
		{CallWriteMarkers, both, TransactionCoordinatorFenced, Reopen},
		{CallWriteMarkers, both, ClusterAuthorizationFailed, Final},
		{CallAddOffsets, both, ConcurrentTransactions, BackoffRepeat},
		{CallAddOffsets, both, ProducerFenced, Reopen},
		{CallTxnOffsetCommit, both, ConcurrentTransactions, BackoffRepeat},
		{CallTxnOffsetCommit, both, InvalidProducerEpoch, Reopen},
		{CallTxnOffsetCommit, both, TransactionAbortable, Reopen},
		{CallTxnOffsetCommit, both, UnknownMemberID, Final},
		{CallTxnOffsetCommit, both, NotEnoughReplicas, BackoffRepeat},
		{CallTxnOffsetCommit, both, UnknownTopicOrPartition, BackoffRepeat},
		{CallTxnOffsetCommit, both, GroupAuthorizationFailed, Final},
		{CallGroup, both, UnstableOffsetCommit, BackoffRepeat},
		{CallGroup, both, RebalanceInProgress, Final},
		{CallRead, both, UnstableOffsetCommit, Final},
	} {
		for _, proto := range c.protos {
			if got, why := Judge(c.call, proto, c.code); got != c.want || why == "" {
				t.Errorf("call %d, %s, %v: %v (%s), want %v", c.call, proto, c.code, got, why, c.want)
			}
		}
	}
}

// TestRulesAreReachable finds rules that an earlier one hides.
func TestRulesAreReachable(t *testing.T) {
	for i, r := range rules {
		reached := false
		for call := CallInitProducerID; call <= CallGroup; call++ {
			for _, proto := range []Protocol{Classic, KIP890} {
				if r.calls&(1<<call) == 0 || r.proto != 0 && r.proto != proto {
					continue
				}
				if _, why := Judge(call, proto, r.code); why == r.why {
					reached = true
				}
			}
		}
		if !reached || r.why == "" {
			t.Errorf("rule %d for %v is never reached or has no reason", i, r.code)
		}
	}
}

func TestCodeFaults(t *testing.T) {
	for code, want := range map[Code]fault.Code{
		TopicAuthorizationFailed:     fault.Permission,
		TransactionalIDAuthorization: fault.Permission,
		InvalidTransactionTimeout:    fault.TransactionTimeout,
		MessageTooLarge:              fault.RecordTooLarge,
		KafkaStorageError:            fault.KafkaStorage,
		InvalidTimestamp:             fault.Timestamp,
		CoordinatorNotAvailable:      fault.TransactionsDown,
		UnknownTopicOrPartition:      fault.TopicMissing,
		UnknownServerError:           fault.Kafka,
		UnknownMemberID:              fault.GroupInUse,
		StaleMemberEpoch:             fault.GroupInUse,
		GroupIDNotFound:              fault.GroupInUse,
	} {
		f := CodeFault("testing", code)
		if f.Code != want || f.Hint == "" || !strings.Contains(f.Error(), code.Name()) {
			t.Errorf("%v: %v", code, f)
		}
	}
	for code, text := range codeText {
		if text[0] == "" || text[1] == "" || code.Name() != text[0] {
			t.Errorf("code %d has no text", code)
		}
	}
	if got := Code(60).Name(); got == "" {
		t.Error("a code that only kafka-go knows has no name")
	}
}
