package pipeline

import "cdcbridge/changelog"

// merged is the checkpoint that covers several chunks: of each key and of each partition the newest entry, in the order in which
// they came first. A source with a thousand partitions moves all of them between two commits, a few in each chunk.
type merged struct {
	changelog.Checkpoint
	states  map[string]int // place in State by key
	offsets map[partition]int
}

type partition struct {
	topic string
	index int32
}

// add puts a newer checkpoint on top. It reports whether that says anything new.
func (m *merged) add(next changelog.Checkpoint) bool {
	news := next.Pos != m.Pos || len(next.State) > 0 || next.Group != nil && len(next.Group.Offsets) > 0
	m.Pos = next.Pos
	for _, s := range next.State {
		m.State = put(m.State, s, &m.states, s.Key)
	}
	if next.Group == nil {
		return news
	}
	if m.Group == nil {
		m.Group = &changelog.GroupOffsets{}
	}
	m.Group.Group = next.Group.Group
	for _, o := range next.Group.Offsets {
		m.Group.Offsets = put(m.Group.Offsets, o, &m.offsets, partition{o.Topic, o.Partition})
	}
	return news
}

// put replaces the element that is known under the key, or appends one.
func put[T any, K comparable](list []T, element T, places *map[K]int, key K) []T {
	if at, ok := (*places)[key]; ok {
		list[at] = element
		return list
	}
	if *places == nil {
		*places = map[K]int{}
	}
	(*places)[key] = len(list)
	return append(list, element)
}

// committed forgets everything but the position, which what comes later goes on from.
func (m *merged) committed() {
	m.State, m.Group = nil, nil
	clear(m.states)
	clear(m.offsets)
}
