// Command walkthrough does what a new user does, word for word as docs/getting-started.md says: it clones and builds, makes the account,
// and goes from init by validate and run to the first record in a topic, with each of the two databases, and prints how long that took.
//
//	clone, build ─▶ for each database: servers in a network of their own ─▶ the page's SQL ─▶ the page's commands, line by line ─▶ times
//
// The network is a namespace of the kernel, so that the servers can have the ports that the page names, whatever else listens on this
// machine. Where there is none, the machine's own ports are taken, if they are free.
package main
