// Package deletes tells tombstones that stand behind their delete from those that are all that is left of one.
package deletes

import (
	"bytes"
	"strings"
)

// Last has the keys of deletes that were the last records of their partitions.
type Last map[lane][]byte

// lane is one partition of a topic.
type lane struct {
	topic     string
	partition int32
}

// Set notes the last record of a partition: the key of a delete, which is copied, or nil for anything else.
func (l Last) Set(topic string, partition int32, key []byte) {
	at := lane{topic, partition}
	kept, known := l[at]
	if len(kept) == 0 && len(key) == 0 {
		return
	}
	if !known {
		at.topic = strings.Clone(topic) // it may be a part of something larger
	}
	l[at] = append(kept[:0], key...)
}

// Repeated reports that a tombstone with this key stands behind its delete, and so says nothing new. The one behind it does.
func (l Last) Repeated(topic string, partition int32, key []byte) bool {
	at := lane{topic, partition}
	kept := l[at]
	if len(kept) == 0 || !bytes.Equal(kept, key) {
		return false
	}
	l[at] = kept[:0]
	return true
}
