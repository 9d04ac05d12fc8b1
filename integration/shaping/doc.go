// Package shaping holds what the rules of the tables section make of a table against the database itself: under load, with kills, the topic is what a
// SELECT of the shaped columns WHERE the filter gives.
package shaping
