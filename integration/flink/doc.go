// Package flink has tests in which a real Flink SQL reads what the daemon writes of real databases, and is compared with them.
//
//	MySQL, PostgreSQL ── cdcbridge, preset flink ──▶ topics ── `cdcbridge ddl flink`, unedited ──▶ Flink SQL
//	        └────────────────────── SELECT ──────────────────── compared with ───────────────────────┘
//
// The table of types in docs/formats.md is what TestFlink measured; -update writes it anew.
package flink
