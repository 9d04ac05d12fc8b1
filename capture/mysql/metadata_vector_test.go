package mysql

import "testing"

// MySQL 9 counts VECTOR among the columns that have a character set, so the ordinals after it depend on that.
func TestVectorsCountInTheCharacterSetMetadata(t *testing.T) {
	cols := []columnLayout{{typ: typeVarchar}, {typ: typeLong}, {typ: typeVector}, {typ: typeVarchar}}
	for name, field := range map[string][]byte{
		"one each":      {metaColumnCharset, 5, 45, 63, 0xfc, 8, 0},
		"default and 2": {metaDefaultCharset, 5, 45, 1, 63, 2, 8},
	} {
		m, err := parseMetadata(field, cols, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c := m.collations; c[0] != 45 || c[1] != 0 || c[2] != 63 || c[3] != 8 {
			t.Errorf("%s: collations %v", name, c)
		}
	}
}
