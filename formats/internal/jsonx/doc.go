// Package jsonx writes and reads JSON by appending to byte slices, in the exact dialects of the programs whose topics we
// imitate. It knows nothing of changes or tables.
//
//	string.go   string literals as Jackson (Debezium) and as fastjson2 (Canal) write them
//	number.go   floating-point text as Java's Double.toString and Float.toString
//	compact.go  documents without insignificant white space
//	scan.go     walking over objects and arrays without building a tree
//	skip.go     the same at full speed, for what is valid
//	index.go    an object taken apart in one pass
//	unquote.go  string literals back to text
//
// Every Append function appends to dst, returns the grown slice and keeps neither argument. Output is valid JSON whatever
// the input: bytes that are not UTF-8 become U+FFFD, one for each byte.
package jsonx
