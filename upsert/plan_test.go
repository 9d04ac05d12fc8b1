package upsert

import (
	"context"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// likeFormat notes whom encoders are to be like.
type likeFormat struct {
	textFormat
	likes *[]formats.Encoder
}

func (f likeFormat) Compile(t *changelog.Table, o formats.Options) (formats.Encoder, error) {
	*f.likes = append(*f.likes, o.Like)
	return f.textFormat.Compile(t, o)
}

// TestEncodersOfAlikeTables: one with the very same columns and key is compiled out of the first.
func TestEncodersOfAlikeTables(t *testing.T) {
	var likes []formats.Encoder
	o := []Output{{Name: "out", Mode: Changelog, Topic: "{table}", Format: likeFormat{likes: &likes}}}
	p := NewPlanner("p", o, nil, func(_ context.Context, name string, _ *Output) (*Topic, error) {
		return &Topic{Name: name, Partitions: 1}, nil
	})
	first := testTable()
	for id, change := range []func(*changelog.Table){
		func(*changelog.Table) {}, func(*changelog.Table) {}, func(x *changelog.Table) { x.Key = nil }, func(x *changelog.Table) { x.Origin = "mariadb" },
		func(x *changelog.Table) { x.Columns = testTable().Columns },
	} {
		table := *first
		table.ID, table.Name = id, table.Name+string(rune('a'+id))
		change(&table)
		if _, err := p.Plans(t.Context(), &table); err != nil {
			t.Fatal(err)
		}
	}
	for i, like := range likes {
		if (like != nil) != (i == 1) {
			t.Errorf("table %d is like %v", i, like)
		}
	}
}
