package formats

// Kept is the memory of a Context for what an encoder writes into all records of a run alike: rendered for the first change, it is there for
// the others. Its parts are the encoder's own.
type Kept struct {
	Parts [4][]byte

	encoder Encoder
	seq     uint64
	now     int64
	from    int
}

// Keep gives what is kept for the run. made says that the encoder has filled the parts for an earlier change of it; else it does so now.
// It is nil where nothing is to be gained, for the run has no other change, and where the number of the batch is not known, which with the place
// in the batch tells runs apart.
func (c *Context) Keep(e Encoder) (k *Kept, made bool) {
	if c.Run.To-c.Run.From < 2 || c.Seq == 0 {
		return nil, false
	}
	k = &c.kept
	if k.from == c.Run.From && k.seq == c.Seq && k.now == c.Now && k.encoder == e {
		return k, true
	}
	k.encoder, k.seq, k.now, k.from = e, c.Seq, c.Now, c.Run.From
	return k, false
}
