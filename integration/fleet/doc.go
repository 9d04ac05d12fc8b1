// Package fleet runs many pipelines in one daemon, over both databases, and does to it what operators do: it is killed, it reloads, and it is stopped,
// all under load.
package fleet
