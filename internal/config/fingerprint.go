package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
)

// fingerprint is a hash of all settings that the pipeline depends on, in their order: also a list in another order is another list.
// noted are those of sections whose meaning depends on another key, as decoding has found them.
func (b *builder) fingerprint(noted []Setting) string {
	h := sha256.New()
	write := func(all []Setting) {
		for _, s := range all {
			// Written with its length, so that no value looks like the settings behind it.
			for _, text := range []string{strings.TrimPrefix(s.Path, b.at), s.Value, string(s.print[:])} {
				_, _ = fmt.Fprintf(h, "%d:%s", len(text), text) // a hash takes everything
			}
		}
	}
	write(settingsOf("kafka", reflect.ValueOf(&b.doc.Kafka).Elem()))
	write(settingsOf("", reflect.ValueOf(b.section).Elem()))
	write(noted)
	return hex.EncodeToString(h.Sum(nil))
}
