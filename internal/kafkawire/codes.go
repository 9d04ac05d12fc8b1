package kafkawire

import (
	"fmt"

	"github.com/segmentio/kafka-go"
)

// Code is an error code of Kafka's protocol. It is an error itself when it is not OK.
type Code int16

// The codes that this package and its callers tell apart.
const (
	UnknownServerError           Code = -1
	OK                           Code = 0
	OffsetOutOfRange             Code = 1
	CorruptMessage               Code = 2
	UnknownTopicOrPartition      Code = 3
	LeaderNotAvailable           Code = 5
	NotLeader                    Code = 6
	RequestTimedOut              Code = 7
	ReplicaNotAvailable          Code = 9
	MessageTooLarge              Code = 10
	OffsetMetadataTooLarge       Code = 12
	NetworkException             Code = 13
	CoordinatorLoading           Code = 14
	CoordinatorNotAvailable      Code = 15
	NotCoordinator               Code = 16
	InvalidTopic                 Code = 17
	RecordListTooLarge           Code = 18
	NotEnoughReplicas            Code = 19
	NotEnoughReplicasAfterAppend Code = 20
	IllegalGeneration            Code = 22
	InvalidGroupID               Code = 24
	UnknownMemberID              Code = 25
	RebalanceInProgress          Code = 27
	InvalidCommitOffsetSize      Code = 28
	TopicAuthorizationFailed     Code = 29
	GroupAuthorizationFailed     Code = 30
	ClusterAuthorizationFailed   Code = 31
	InvalidTimestamp             Code = 32
	UnsupportedVersion           Code = 35
	TopicAlreadyExists           Code = 36
	InvalidPartitions            Code = 37
	InvalidReplicationFactor     Code = 38
	InvalidConfig                Code = 40
	NotController                Code = 41
	InvalidRequest               Code = 42
	UnsupportedForMessageFormat  Code = 43
	PolicyViolation              Code = 44
	OutOfOrderSequence           Code = 45
	DuplicateSequence            Code = 46
	InvalidProducerEpoch         Code = 47
	InvalidTxnState              Code = 48
	InvalidProducerIDMapping     Code = 49
	InvalidTransactionTimeout    Code = 50
	ConcurrentTransactions       Code = 51
	TransactionCoordinatorFenced Code = 52
	TransactionalIDAuthorization Code = 53
	OperationNotAttempted        Code = 55
	KafkaStorageError            Code = 56
	UnknownProducerID            Code = 59
	GroupIDNotFound              Code = 69
	ListenerNotFound             Code = 72
	FencedLeaderEpoch            Code = 74
	UnknownLeaderEpoch           Code = 75
	UnsupportedCompression       Code = 76
	OffsetNotAvailable           Code = 78
	FencedInstanceID             Code = 82
	InvalidRecord                Code = 87
	UnstableOffsetCommit         Code = 88
	ThrottlingQuotaExceeded      Code = 89
	ProducerFenced               Code = 90
	UnknownTopicID               Code = 100
	InconsistentTopicID          Code = 103
	TransactionalIDNotFound      Code = 105
	FencedMemberEpoch            Code = 110
	StaleMemberEpoch             Code = 113
	TransactionAbortable         Code = 120
)

// codeText has Kafka's name of each code and what it says, for those that kafka-go does not know or gets wrong.
var codeText = map[Code][2]string{
	OK:                           {"NONE", "no error"},
	UnknownServerError:           {"UNKNOWN_SERVER_ERROR", "the broker met an unexpected error"},
	OffsetOutOfRange:             {"OFFSET_OUT_OF_RANGE", "the partition does not have this offset"},
	CorruptMessage:               {"CORRUPT_MESSAGE", "the checksum of a batch does not match"},
	UnknownTopicOrPartition:      {"UNKNOWN_TOPIC_OR_PARTITION", "the broker does not have this topic or partition"},
	LeaderNotAvailable:           {"LEADER_NOT_AVAILABLE", "the partition has no leader now"},
	NotLeader:                    {"NOT_LEADER_OR_FOLLOWER", "the broker does not lead this partition"},
	RequestTimedOut:              {"REQUEST_TIMED_OUT", "the replicas did not answer in time"},
	ReplicaNotAvailable:          {"REPLICA_NOT_AVAILABLE", "a replica is not available"},
	MessageTooLarge:              {"MESSAGE_TOO_LARGE", "the batch is larger than max.message.bytes of the topic"},
	OffsetMetadataTooLarge:       {"OFFSET_METADATA_TOO_LARGE", "the text beside an offset is too long"},
	NetworkException:             {"NETWORK_EXCEPTION", "the broker lost a connection"},
	CoordinatorLoading:           {"COORDINATOR_LOAD_IN_PROGRESS", "the coordinator is loading"},
	CoordinatorNotAvailable:      {"COORDINATOR_NOT_AVAILABLE", "there is no coordinator now"},
	NotCoordinator:               {"NOT_COORDINATOR", "the broker is not the coordinator"},
	InvalidTopic:                 {"INVALID_TOPIC_EXCEPTION", "the topic name is not valid"},
	RecordListTooLarge:           {"RECORD_LIST_TOO_LARGE", "the batch is larger than a log segment"},
	NotEnoughReplicas:            {"NOT_ENOUGH_REPLICAS", "fewer replicas are in sync than min.insync.replicas"},
	NotEnoughReplicasAfterAppend: {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", "the batch is written, but to fewer replicas than min.insync.replicas"},
	IllegalGeneration:            {"ILLEGAL_GENERATION", "the group is in another generation"},
	InvalidGroupID:               {"INVALID_GROUP_ID", "the name of the group is not valid"},
	UnknownMemberID:              {"UNKNOWN_MEMBER_ID", "the group has members and the caller is none of them"},
	RebalanceInProgress:          {"REBALANCE_IN_PROGRESS", "the members of the group are dividing their partitions"},
	InvalidCommitOffsetSize:      {"INVALID_COMMIT_OFFSET_SIZE", "the offsets of the call do not fit in a batch of __consumer_offsets"},
	TopicAuthorizationFailed:     {"TOPIC_AUTHORIZATION_FAILED", "no access to the topic"},
	GroupAuthorizationFailed:     {"GROUP_AUTHORIZATION_FAILED", "no access to the group"},
	ClusterAuthorizationFailed:   {"CLUSTER_AUTHORIZATION_FAILED", "no access to the cluster operation"},
	InvalidTimestamp:             {"INVALID_TIMESTAMP", "a record's timestamp is outside what the topic accepts"},
	UnsupportedVersion:           {"UNSUPPORTED_VERSION", "the broker does not speak this version"},
	TopicAlreadyExists:           {"TOPIC_ALREADY_EXISTS", "the topic exists"},
	InvalidPartitions:            {"INVALID_PARTITIONS", "the number of partitions is not valid"},
	InvalidReplicationFactor:     {"INVALID_REPLICATION_FACTOR", "the replication factor is larger than the cluster"},
	InvalidConfig:                {"INVALID_CONFIG", "a topic setting is not valid"},
	NotController:                {"NOT_CONTROLLER", "the broker is not the controller"},
	InvalidRequest:               {"INVALID_REQUEST", "the broker finds the request wrong"},
	UnsupportedForMessageFormat:  {"UNSUPPORTED_FOR_MESSAGE_FORMAT", "the topic's message format is too old"},
	PolicyViolation:              {"POLICY_VIOLATION", "a policy of the cluster refuses it"},
	OutOfOrderSequence:           {"OUT_OF_ORDER_SEQUENCE_NUMBER", "the batch does not follow the last one of this producer"},
	DuplicateSequence:            {"DUPLICATE_SEQUENCE_NUMBER", "the batch is an old duplicate"},
	InvalidProducerEpoch:         {"INVALID_PRODUCER_EPOCH", "the producer epoch is old"},
	InvalidTxnState:              {"INVALID_TXN_STATE", "the transaction is not in a state for this"},
	InvalidProducerIDMapping:     {"INVALID_PRODUCER_ID_MAPPING", "the producer id does not belong to the transactional id"},
	InvalidTransactionTimeout:    {"INVALID_TRANSACTION_TIMEOUT", "the timeout is larger than transaction.max.timeout.ms"},
	ConcurrentTransactions:       {"CONCURRENT_TRANSACTIONS", "the previous transaction is still being ended"},
	TransactionCoordinatorFenced: {"TRANSACTION_COORDINATOR_FENCED", "the coordinator is not the one it was"},
	TransactionalIDAuthorization: {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "no access to the transactional id"},
	OperationNotAttempted:        {"OPERATION_NOT_ATTEMPTED", "another part of the call failed"},
	KafkaStorageError:            {"KAFKA_STORAGE_ERROR", "the broker cannot use its disk"},
	UnknownProducerID:            {"UNKNOWN_PRODUCER_ID", "the broker has forgotten the producer"},
	GroupIDNotFound:              {"GROUP_ID_NOT_FOUND", "there is no such group, or one of another kind"},
	ListenerNotFound:             {"LISTENER_NOT_FOUND", "the leader has no such listener"},
	FencedLeaderEpoch:            {"FENCED_LEADER_EPOCH", "the leader has changed"},
	UnknownLeaderEpoch:           {"UNKNOWN_LEADER_EPOCH", "the broker has not heard of the new leader yet"},
	UnsupportedCompression:       {"UNSUPPORTED_COMPRESSION_TYPE", "the broker does not know this compression"},
	OffsetNotAvailable:           {"OFFSET_NOT_AVAILABLE", "a new leader does not know the high watermark yet"},
	FencedInstanceID:             {"FENCED_INSTANCE_ID", "another member of the group has this instance id"},
	InvalidRecord:                {"INVALID_RECORD", "the broker's validation refuses a record"},
	UnstableOffsetCommit:         {"UNSTABLE_OFFSET_COMMIT", "an offset of the group waits for the end of its transaction"},
	ThrottlingQuotaExceeded:      {"THROTTLING_QUOTA_EXCEEDED", "a quota is used up"},
	ProducerFenced:               {"PRODUCER_FENCED", "a newer producer has this transactional id"},
	UnknownTopicID:               {"UNKNOWN_TOPIC_ID", "the broker does not have this topic id"},
	InconsistentTopicID:          {"INCONSISTENT_TOPIC_ID", "the topic id has changed"},
	TransactionalIDNotFound:      {"TRANSACTIONAL_ID_NOT_FOUND", "the transactional id was never used"},
	FencedMemberEpoch:            {"FENCED_MEMBER_EPOCH", "the member of the group has a newer epoch"},
	StaleMemberEpoch:             {"STALE_MEMBER_EPOCH", "the epoch of the group's member is old"},
	TransactionAbortable:         {"TRANSACTION_ABORTABLE", "the transaction must be aborted"},
}

// Name returns Kafka's name of the code.
func (c Code) Name() string {
	if t, ok := codeText[c]; ok {
		return t[0]
	}
	return kafka.Error(c).Title()
}

// Error renders number, name and meaning.
func (c Code) Error() string {
	if t, ok := codeText[c]; ok {
		return fmt.Sprintf("[%d] %s: %s", int16(c), t[0], t[1])
	}
	return kafka.Error(c).Error()
}
