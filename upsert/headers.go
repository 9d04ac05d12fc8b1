package upsert

import (
	"strconv"

	"cdcbridge/changelog"
	"cdcbridge/internal/kafkawire"
)

// Every record, tombstones included, says where it comes from, so that a consumer can prove that nothing is missing and
// nothing is there twice: (HeaderTxn, HeaderOrd, HeaderOp) occurs exactly once in a topic.
const (
	HeaderPipeline = "cdc.pipeline" // name of the pipeline
	HeaderTable    = "cdc.table"    // database.table or schema.table
	HeaderPos      = "cdc.pos"      // log file and byte offset of the event: "binlog.000003:484"
	HeaderTxn      = "cdc.txn"      // source transaction: GTID, or file and offset
	HeaderOrd      = "cdc.ord"      // 0-based number of the change among the captured changes of its transaction
	HeaderOp       = "cdc.op"       // c insert, u update, d delete, r snapshot read, x tombstone
	HeaderFill     = "cdc.fill"     // only on a row with values that the log lacked: "reread", they may be those of a later change of the row, which follows
)

const headerCount = 6

// tableHeaders renders the headers that all records of a table share.
func tableHeaders(pipeline string, t *changelog.Table) []byte {
	h := kafkawire.AppendRecordHeader(nil, HeaderPipeline, []byte(pipeline))
	return kafkawire.AppendRecordHeader(h, HeaderTable, []byte(t.FullName()))
}

// appendRunHeaders adds those that all records of a run share. num is scratch.
func appendRunHeaders(dst []byte, run *changelog.Run, txn *changelog.Txn, num []byte) (headers, scratch []byte) {
	num = append(append(num[:0], run.File...), ':')
	num = strconv.AppendUint(num, run.Pos, 10)
	dst = kafkawire.AppendRecordHeader(dst, HeaderPos, num)
	num = append(num[:0], txn.ID...)
	return kafkawire.AppendRecordHeader(dst, HeaderTxn, num), num
}

// appendChangeHeaders adds those of one record. num is scratch.
func appendChangeHeaders(dst []byte, index uint64, op string, num []byte) (headers, scratch []byte) {
	num = strconv.AppendUint(num[:0], index, 10)
	dst = kafkawire.AppendRecordHeader(dst, HeaderOrd, num)
	num = append(num[:0], op...)
	return kafkawire.AppendRecordHeader(dst, HeaderOp, num), num
}
