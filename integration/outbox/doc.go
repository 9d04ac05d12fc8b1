// Package outbox holds the proof that a row which a service inserts into its outbox is one message, whatever happens to the daemon
// meanwhile: in the topic and with the key, value and headers that the row says, behind the messages with its key that were
// committed before it.
package outbox
