package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// randomScript makes rows of values that nobody thought of: documents of every form, then changed in place, and numbers,
// dates and text. The seed is fixed, so that a new recording differs in what the server changed only.
func randomScript() string {
	g := &generator{rand.New(rand.NewPCG(3, 7))}
	var b strings.Builder
	b.WriteString("CREATE TABLE docs (id INT PRIMARY KEY, j JSON);\n")
	for i := range 250 {
		fmt.Fprintf(&b, "INSERT INTO docs VALUES (%d,%s);\n", i, quoted(g.document(0)))
	}
	for range 200 {
		value := g.document(3)
		fmt.Fprintf(&b, "UPDATE docs SET j=JSON_SET(j,'$.a',CAST(%s AS JSON),'$[1]',%d,'$.\"new\"',%s) WHERE id=%d AND JSON_TYPE(j) IN ('OBJECT','ARRAY');\n", quoted(value), g.IntN(1<<30), quoted(g.text()), g.IntN(250))
		fmt.Fprintf(&b, "UPDATE docs SET j=JSON_REMOVE(j,'$.b','$[0]') WHERE id=%d AND JSON_TYPE(j) IN ('OBJECT','ARRAY');\n", g.IntN(250))
	}
	b.WriteString("CREATE TABLE vals (id INT PRIMARY KEY, b BIGINT, u BIGINT UNSIGNED, d DOUBLE, f FLOAT, n DECIMAL(30,12), da DATE, dt DATETIME(6), ti TIME(4), ts TIMESTAMP(3) NULL, v VARCHAR(100), l VARCHAR(100) CHARACTER SET latin1, x VARBINARY(50)) DEFAULT CHARACTER SET utf8mb4;\n")
	for i := range 200 {
		date := fmt.Sprintf("%04d-%02d-%02d", 1+g.IntN(9999), 1+g.IntN(12), 1+g.IntN(28))
		clock := fmt.Sprintf("%02d:%02d:%02d.%06d", g.IntN(24), g.IntN(60), g.IntN(60), g.IntN(1e6))
		fmt.Fprintf(&b, "INSERT INTO vals VALUES (%d,%d,%d,%g,%g,%d.%012d,'%s','%s %s','%d:%02d:%02d.%04d','%d-02-03 %s',%s,%s,x'%x');\n", i, int64(g.Uint64()), g.Uint64(), (g.Float64()-0.5)*1e10, g.Float32(),
			g.IntN(2e17)-1e17, g.IntN(1e12), date, date, clock, g.IntN(1676)-838, g.IntN(60), g.IntN(60), g.IntN(1e4), 1971+g.IntN(60), clock, quoted(g.text()), quoted("äöüß€"+strconv.Itoa(i)), g.text())
	}
	return b.String()
}

type generator struct{ *rand.Rand }

// document makes JSON text.
func (g *generator) document(depth int) string {
	kind := g.IntN(14)
	if depth > 4 {
		kind = 4 + g.IntN(10)
	}
	switch kind {
	case 0, 1:
		members := make([]string, g.IntN(8))
		for i := range members {
			key, _ := json.Marshal(string(rune('a'+g.IntN(6))) + strings.Repeat("k", g.IntN(20)))
			members[i] = string(key) + ":" + g.document(depth+1)
		}
		return "{" + strings.Join(members, ",") + "}"
	case 2, 3:
		elems := make([]string, g.IntN(8))
		for i := range elems {
			elems[i] = g.document(depth + 1)
		}
		return "[" + strings.Join(elems, ",") + "]"
	case 4:
		return "null"
	case 5:
		return "true"
	case 6:
		return "false"
	case 7, 8:
		return strconv.FormatInt(int64(g.Uint64())>>g.IntN(64), 10)
	case 9:
		return strconv.FormatUint(g.Uint64(), 10)
	case 10, 11:
		return strconv.FormatFloat((g.Float64()-0.5)*float64(uint64(1)<<g.IntN(64)), 'g', 1+g.IntN(17), 64)
	}
	text, _ := json.Marshal(g.text())
	return string(text)
}

func (g *generator) text() string {
	alphabet := []rune("abcdefXYZ 0123456789äöüß€漢字😀\t\n\"\\/'\u0001\u007f")
	out := make([]rune, g.IntN(30))
	for i := range out {
		out[i] = alphabet[g.IntN(len(alphabet))]
	}
	return string(out)
}

// quoted makes an SQL literal.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(s) + "'"
}
