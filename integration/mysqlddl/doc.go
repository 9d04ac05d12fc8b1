// Package mysqlddl compares what capture/mysql/schema makes of statements with what servers make of them. The tests run each
// statement of a corpus on a real server, apply what the server has logged, and compare all tables with information_schema.
package mysqlddl
