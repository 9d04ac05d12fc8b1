package debezium

import (
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
)

// TestVectors: pgvector's texts become what Debezium makes of them, under a schema that they fit, and are read back.
func TestVectors(t *testing.T) {
	for _, tc := range []struct{ source, text, want, key string }{
		{"public.halfvec(3)", "[1,-2.5,6e-08]", `[1.0,-2.5,6.0E-8]`, `"[1,-2.5,6e-08]"`},
		{"public.halfvec", "[0,65504]", `[0.0,65504.0]`, `"[0,65504]"`},
		{"public.sparsevec(5)", "{1:1.5,3:2}/5", `{"dimensions":5,"vector":[[1,1.5],[3,2.0]]}`, `"{1:1.5,3:2}/5"`},
		{"public.sparsevec(5)", "{}/5", `{"dimensions":5,"vector":[]}`, `"{}/5"`},
		{"public.sparsevec(5)", "{2:1e+06,4:0.1}/5", `{"dimensions":5,"vector":[[2,1000000.0],[4,0.1]]}`, `"{2:1e+06,4:0.1}/5"`},
		{"public.sparsevec", "{1:1.5}/5", `"{1:1.5}/5"`, `"{1:1.5}/5"`},
		{"public.sparsevec(100000)", "{99999:1.5}/100000", `"{99999:1.5}/100000"`, `"{99999:1.5}/100000"`},
	} {
		cfg := NewConfig()
		cfg.Schemas.SchemasEnable = true
		table := &changelog.Table{Origin: postgres, Database: "d", Schema: "s", Name: "t", Key: []int{0}, Columns: []changelog.Column{
			{Name: "v", Type: changelog.Type{Kind: changelog.KindString}, SourceType: tc.source},
		}}
		row := changelog.Row{changelog.String([]byte(tc.text))}
		enc := compile(t, cfg, table, formats.Options{Key: table.Key})
		key, err := enc.AppendKey(nil, row)
		if err != nil || string(key) != `{"v":`+tc.key+`}` {
			t.Errorf("%s: key %s, %v", tc.text, key, err)
		}
		message, err := enc.AppendValue(nil, newContext(table), &changelog.Change{Op: changelog.Insert, After: row})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, _, err := fitting(message); err != nil {
			t.Error(err)
		}
		plain := mode(func(*Config) {})
		if got, err := renderOf(t, plain, postgres, table.Columns[0], row[0]); err != nil || got != tc.want {
			t.Errorf("%s: got %s, want %s, %v", tc.text, got, tc.want, err)
		}
		for _, known := range []*changelog.Table{table, nil} { // else the schema tells
			b := changelog.NewBatch()
			rd := cfg.Reader(formats.ReaderOptions{
				Table:  func(string, string) *changelog.Table { return known },
				Intern: func(t *changelog.Table) *changelog.Table { return t },
			})
			if err := rd.Read(b, &formats.Record{Key: key, Value: message}); err != nil {
				t.Errorf("%s: %v", tc.text, err)
				continue
			}
			got := b.Changes[0].After[0]
			if got.Kind() == changelog.KindVector && known == nil {
				continue
			}
			if string(got.Bytes()) != tc.text {
				t.Errorf("%s is read back as %s", tc.text, got.Bytes())
			}
		}
	}
	for _, tc := range [][2]string{{"halfvec(2)", "1,2"}, {"halfvec(2)", "[1,x]"}, {"sparsevec(2)", "{1:2}"}, {"sparsevec(2)", "{1}/2"}, {"sparsevec(2)", "1:2/2"}, {"sparsevec(2)", "{1:1}/99999"}} {
		c := changelog.Column{Name: "v", Type: changelog.Type{Kind: changelog.KindString}, SourceType: tc[0]}
		if got, err := renderOf(t, NewConfig(), postgres, c, changelog.String([]byte(tc[1]))); err == nil {
			t.Errorf("%s was written as %s", tc[1], got)
		}
	}
}
