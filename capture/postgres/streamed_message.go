package postgres

import "github.com/jackc/pglogrepl"

// streamStartBody opens a block of messages of a transaction that has not ended.
type streamStartBody struct {
	XID   uint32
	First bool // nothing of the transaction came before
}

func parseStreamStart(body []byte) (streamStartBody, error) {
	c := cursor{b: body[1:]}
	b := streamStartBody{XID: c.u32()}
	first := c.u8()
	b.First = first == 1
	if !c.done() || b.XID == 0 || first > 1 {
		return b, badMessage(body, "it is not a Stream Start")
	}
	return b, nil
}

// streamCommitBody says that a streamed transaction has committed: what came of it counts.
type streamCommitBody struct {
	XID uint32
	commitBody
}

func parseStreamCommit(body []byte) (streamCommitBody, error) {
	c := cursor{b: body[1:]}
	b := streamCommitBody{XID: c.u32()}
	flags := c.u8()
	b.commitBody = commitBody{Commit: pglogrepl.LSN(c.u64()), End: pglogrepl.LSN(c.u64()), Time: int64(c.u64()) + postgresEpoch}
	if !c.done() || b.XID == 0 || flags != 0 || b.Commit == 0 || b.End <= b.Commit {
		return b, badMessage(body, "it is not a Stream Commit")
	}
	return b, nil
}

// streamAbortBody says that a streamed transaction, or one of its subtransactions, was rolled back.
type streamAbortBody struct {
	XID uint32
	Sub uint32 // XID again: all of it
}

func parseStreamAbort(body []byte) (streamAbortBody, error) {
	c := cursor{b: body[1:]}
	b := streamAbortBody{XID: c.u32(), Sub: c.u32()}
	if !c.done() || b.XID == 0 || b.Sub == 0 {
		return b, badMessage(body, "it is not a Stream Abort")
	}
	return b, nil
}
