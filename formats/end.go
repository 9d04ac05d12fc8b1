package formats

// Ender is implemented by encoders whose format has a record for a delete that says what the row was. It makes that record where
// only the newest value of the row's key is left: of a table that was truncated.
type Ender interface {
	// AppendEnd appends the value of the delete of a row that last, a value of this format in the topic, left there. The old image is
	// as last has it, whatever the table was like then. ok is false when last is a delete itself. The error is a fault.
	AppendEnd(dst []byte, c *Context, last []byte) (value []byte, ok bool, err error)
}
