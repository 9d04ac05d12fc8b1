// Package typed makes typed values of JSON that says them plainly: decimals and dates as text, arrays as arrays. Where a type has
// several plain forms, all are read, those that Flink SQL writes among them.
//
//	column.go   a column ready to be read, and the values of a record
//	number.go, decimal.go, text.go, clock.go, time.go, interval.go, nested.go   one family of types each
//	guess.go    types of columns that nobody has described
package typed
