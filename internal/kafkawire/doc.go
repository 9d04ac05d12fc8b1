// Package kafkawire speaks the parts of Kafka's protocol that kafka-go lacks and that both ends of the bridge need.
//
//	Client            connections (TLS, SASL), routing, API versions, fault mapping        client.go, exchange.go, connect.go
//	requests          our own encodings over kafka-go's Transport                          metadata.go, transaction.go, produce.go, fetch.go, …
//	batches           record batch v2: encode, compress, seal; decode                      batch.go, compress.go, decode.go
//	Fetcher           committed records of any partitions, in order                        fetcher.go
//	UndecidedReader   one partition, decided by the control batches of each producer id    undecided.go
//	Judge             what an error code means for the caller                              verdict.go
//
// kafka-go's Transport dials, authenticates and pools connections by broker id; each request of ours is a message that
// writes itself to such a connection (protocol.RawExchanger), so that any version of any API can be spoken. kafka-go has no
// idempotent or transactional producer, and its Metadata and coordinator look-ups are cached in ways that lose
// exactly-once; that is why none of its Client, Writer or Reader is used.
//
// A method that answers with a Code has spoken to the broker and reports what it said; an error means that no usable answer
// came. IsUnsent tells whether such a request certainly never reached a broker.
package kafkawire
