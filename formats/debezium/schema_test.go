package debezium

import "testing"

// TestSchemaText holds the renderer to the order in which Connect's JSON converter has the properties.
func TestSchemaText(t *testing.T) {
	whole := structSchema("s.t.Value", 0,
		int64Schema.as("id"),
		func() schema {
			s := stringSchema.named("io.debezium.data.Enum").with("allowed", `a,"b`).with("more", "1").opt()
			s.doc, s.def = "what\nit is", []byte(`"a"`)
			return s
		}().as(`na"me`),
		arraySchema(floatSchema.opt()).named("io.debezium.data.FloatVector").as("v"),
		mapSchema(stringSchema, stringSchema.opt()).opt().as("m"),
	).opt()
	const want = `{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},` +
		`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"doc":"what\nit is","parameters":{"allowed":"a,\"b","more":"1"},"default":"a","field":"na\"me"},` +
		`{"type":"array","items":{"type":"float","optional":true},"optional":false,"name":"io.debezium.data.FloatVector","version":1,"field":"v"},` +
		`{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"m"}],` +
		`"optional":true,"name":"s.t.Value"}`
	if got := string(whole.append(nil, "")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w := wrap(true, &int64Schema)
	if got := string(w.close(append(w.open(nil), '7'))); got != `{"schema":{"type":"int64","optional":false},"payload":7}` {
		t.Errorf("got %s", got)
	}
	w = wrap(false, &int64Schema)
	if got := string(w.close(append(w.open(nil), '7'))); got != `7` {
		t.Errorf("got %s", got)
	}
}

func TestNames(t *testing.T) {
	for _, tc := range []struct {
		mode, name string
		dots       bool
		want       string
	}{
		{adjustNone, "1 é.$", true, "1 é.$"},
		{adjustAvro, "shop-1.app.t é😀", true, "shop_1.app.t____"},
		{adjustAvro, "1st", false, "_1st"},
		{adjustAvro, "-st", false, "_st"},
		{adjustAvro, "a.b_c", false, "a_b_c"},
		{adjustUnicode, "a_b.é漢\t😀", false, "a_u005fb_u002e_u00e9_u6f22_u009_ud83d_ude00"},
		{adjustUnicode, "a_b.c-ē", true, "a_u005fb.c_u002d_u113"},
		{adjustUnicode, "1st", false, "_u0031st"},
	} {
		if got := adjustName(tc.mode, tc.name, tc.dots); got != tc.want {
			t.Errorf("%s: %q becomes %q, want %q", tc.mode, tc.name, got, tc.want)
		}
	}
	for name, want := range map[string]string{"dbz.lab.t ☃ é.$-x": "dbz.lab.t____._-x", "t 😀 é.$-x": "t_____._-x", "..": "__", ".": "_"} {
		if got := topicName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
