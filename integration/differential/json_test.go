package differential

import (
	"bytes"
	"encoding/json"
	"strings"
)

// member is one member of an object with the bytes that it has there.
type member struct{ name, value string }

// membersOf are the members of a JSON object in their order; nil when the text is none, or has white space or escapes in names, which nobody
// writes here.
func membersOf(text string) []member {
	dec := json.NewDecoder(strings.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	out := []member{}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return nil
		}
		out = append(out, member{name.(string), string(value)})
	}
	if object(out) != text {
		return nil
	}
	return out
}

// elementsOf are the elements of a JSON array; nil when the text is none.
func elementsOf(text string) []string {
	var raw []json.RawMessage
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &raw) != nil {
		return nil
	}
	out := make([]string, len(raw))
	for i, r := range raw {
		out[i] = string(r)
	}
	if "["+strings.Join(out, ",")+"]" != text {
		return nil
	}
	return out
}

// object is the inverse of membersOf.
func object(members []member) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(m.name) + ":" + m.value)
	}
	b.WriteByte('}')
	return b.String()
}

func quoted(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be written
	return strings.TrimSuffix(b.String(), "\n")
}

// get is the value of a member, "" without it.
func get(members []member, name string) string {
	for _, m := range members {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

// unquoted is what a JSON text says.
func unquoted(text string) string {
	var s string
	if json.Unmarshal([]byte(text), &s) != nil {
		return text
	}
	return s
}
