// Package faulttest is for tests that look at all fault codes.
package faulttest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"cdcbridge/internal/fault"
)

// Codes reads the values of the constants of type Code from the file that declares them, so that a test cannot miss a new one.
// root is the folder of the module.
func Codes(t *testing.T, root string) (codes []fault.Code) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), root+"/internal/fault/fault.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		for _, v := range spec.Values {
			code, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, fault.Code(code))
		}
		return true
	})
	return codes
}
