package kafkawire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol"
)

// AddOffsetsToTxn makes the offsets of a group a part of the open transaction of txnID, or opens one with them. It must have
// succeeded before TxnOffsetCommit in a Classic transaction: else the coordinator of the transaction would not tell that of the
// group how it ended. KIP890 does not need it.
func (c *Client) AddOffsetsToTxn(ctx context.Context, txnID string, pid ProducerID, group string) (Code, error) {
	req := newEncoder(protocol.AddOffsetsToTxn, 3, true, c.cfg.ClientID)
	req.string(txnID)
	req.int64(pid.ID)
	req.int16(pid.Epoch)
	req.string(group)
	req.tags()
	return c.toCoordinator(ctx, txnID, req, parseAddOffsets)
}

func parseAddOffsets(r *reader) (Code, error) {
	r.int32() // throttle time
	code := r.code()
	r.tags()
	return code, finish(r, "AddOffsetsToTxn")
}

// TxnOffsets are offsets of a group to commit with a transaction.
type TxnOffsets struct {
	Protocol        Protocol
	TransactionalID string
	Producer        ProducerID
	Group           string
	Offsets         []GroupOffset
}

// TxnOffsetCommit tells the group's coordinator offsets that are the group's when the transaction commits, and forgotten when it
// aborts. The same call may be repeated until its answer is definite. The codes are in the order of the offsets; code is the
// first of them that is not OK. A group with members answers UnknownMemberID.
func (c *Client) TxnOffsetCommit(ctx context.Context, o *TxnOffsets) (codes []Code, code Code, err error) {
	version := int16(3)
	if o.Protocol == KIP890 {
		version = 5 // the coordinator of the group adds its partition to the transaction by itself
	}
	req := newEncoder(protocol.TxnOffsetCommit, version, true, c.cfg.ClientID)
	req.string(o.TransactionalID)
	req.string(o.Group)
	req.int64(o.Producer.ID)
	req.int16(o.Producer.Epoch)
	req.int32(-1) // generation: none
	req.string(groupMember)
	req.optional("") // instance
	req.offsets(o.Offsets)
	req.tags()
	codes = make([]Code, len(o.Offsets))
	code, err = c.toGroup(ctx, o.Group, req, func(r *reader) (Code, error) {
		return parseOffsetCodes(r, "TxnOffsetCommit", o.Offsets, codes)
	})
	return codes, code, err
}
