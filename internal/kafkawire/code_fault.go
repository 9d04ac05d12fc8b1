package kafkawire

import "cdcbridge/internal/fault"

// remedy is the fault code and the hint of an error code that has outlived its retries or is final.
type remedy struct {
	code  fault.Code
	final bool
	hint  string
}

var remedies = map[Code]remedy{
	TopicAuthorizationFailed:     {fault.Permission, true, "Grant this user Describe, Read and Write on the topic (Create on it or on the cluster if the daemon shall create it)."},
	TransactionalIDAuthorization: {fault.Permission, true, "Grant this user Describe and Write on the transactional id."},
	GroupAuthorizationFailed:     {fault.Permission, true, "Grant this user Read on the group."},
	ClusterAuthorizationFailed:   {fault.Permission, true, "Grant this user Create on the topics or on the cluster; for broker settings DescribeConfigs on the cluster."},
	InvalidTransactionTimeout:    {fault.TransactionTimeout, true, "Lower transaction_timeout, or raise transaction.max.timeout.ms of the brokers."},
	MessageTooLarge:              {fault.RecordTooLarge, true, "Raise max.message.bytes of the topic (and the consumers' fetch limits), or leave the table out of tables."},
	RecordListTooLarge:           {fault.RecordTooLarge, true, "Raise segment.bytes of the topic above the size of its largest record."},
	KafkaStorageError:            {fault.KafkaStorage, false, "A broker cannot write to its disk: free space or repair it, then restart the broker."},
	InvalidTimestamp:             {fault.Timestamp, true, "A record's time is further from the broker's clock than message.timestamp.after.max.ms or message.timestamp.before.max.ms of the topic allows; raise it, or correct the clocks."},
	NotEnoughReplicas:            {fault.Kafka, false, "Start the missing brokers, or lower min.insync.replicas of the topic."},
	NotEnoughReplicasAfterAppend: {fault.Kafka, false, "Start the missing brokers, or lower min.insync.replicas of the topic."},
	UnknownTopicOrPartition:      {fault.TopicMissing, false, "The topic does not exist. If it was deleted, its rows are gone: re-snapshot after it is created again."},
	UnknownTopicID:               {fault.TopicReplaced, false, "The topic was deleted, and perhaps created again; its rows are gone: re-snapshot."},
	InconsistentTopicID:          {fault.TopicReplaced, false, "The topic was deleted and created again; its rows are gone: re-snapshot."},
	InvalidTopic:                 {fault.Config, true, "Topic names have 1 to 249 letters, digits, '.', '_' and '-'; correct the topic template."},
	InvalidPartitions:            {fault.Config, true, "Correct the number of partitions."},
	InvalidReplicationFactor:     {fault.Config, true, "The replication factor is larger than the number of brokers: lower it or add brokers."},
	InvalidConfig:                {fault.Config, true, "The broker refuses a topic setting; correct it."},
	PolicyViolation:              {fault.Config, true, "A create.topic.policy of the cluster refuses the topic: change its settings, or have it created by its owners."},
	UnsupportedVersion:           {fault.KafkaVersion, false, "The transaction feature of the cluster was changed or its brokers are too old: Kafka 3.6 or newer is needed."},
	UnsupportedForMessageFormat:  {fault.KafkaVersion, true, "The topic has a message format from before Kafka 0.11: set it to the current one."},
	UnsupportedCompression:       {fault.Config, true, "Choose another compression."},
	InvalidRecord:                {fault.TopicSettings, true, "The broker refuses a record; a compacted topic refuses records without a key."},
	CoordinatorLoading:           {fault.TransactionsDown, false, "A coordinator stays in loading: check the brokers that hold __transaction_state and __consumer_offsets."},
	CoordinatorNotAvailable:      {fault.TransactionsDown, false, "The cluster cannot form __transaction_state or __consumer_offsets: check that as many brokers run as transaction.state.log.replication.factor and offsets.topic.replication.factor say."},
	NotCoordinator:               {fault.TransactionsDown, false, "A coordinator keeps moving: check the brokers that hold __transaction_state and __consumer_offsets."},
	ConcurrentTransactions:       {fault.TransactionsDown, false, "The previous transaction does not end: check the brokers' logs; after a downgrade of transaction.version restart the coordinator."},
	UnknownMemberID:              inUse,
	IllegalGeneration:            inUse,
	RebalanceInProgress:          inUse,
	FencedInstanceID:             inUse,
	FencedMemberEpoch:            inUse,
	StaleMemberEpoch:             inUse,
	GroupIDNotFound:              {fault.GroupInUse, true, "The name is that of a share or streams group: set another group in the source section, or commit_offsets: false."},
	InvalidGroupID:               {fault.Config, true, "Correct group in the source section."},
	InvalidCommitOffsetSize:      {fault.Config, true, "Raise segment.bytes of __consumer_offsets, or set commit_offsets: false in the source section."},
	UnstableOffsetCommit:         {fault.TransactionsDown, false, "A transaction that changes the group's offsets does not end: find its writer with kafka-transactions.sh find-hanging."},
	OffsetOutOfRange:             {fault.Kafka, true, "The offset is no longer in the topic: its retention was too short, or it was truncated."},
	CorruptMessage:               {fault.Corrupt, false, "A batch was damaged on its way to or from the broker: check network and memory."},
}

// inUse is the remedy of what a coordinator answers to offsets of a group that has members.
var inUse = remedy{fault.GroupInUse, true, "Stop the other consumer, or set another group in the source section, or commit_offsets: false."}

// CodeFault makes the fault of a code other than OK that ends an attempt. op is what was being done, in the gerund.
func CodeFault(op string, code Code) *fault.Fault {
	r, ok := remedies[code]
	if !ok {
		r = remedy{code: fault.Kafka, hint: "Look for the reason in the broker's log."}
	}
	return &fault.Fault{Code: r.code, Op: op, Err: code, Hint: r.hint, Final: r.final}
}

// judged is CodeFault of a code that a call met, final when the verdict about it is.
func judged(call Call, op string, code Code) (*fault.Fault, Verdict) {
	f := CodeFault(op, code)
	verdict, _ := Judge(call, KIP890, code)
	f.Final = verdict == Final
	return f, verdict
}
