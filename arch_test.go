package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "cdcbridge"

// may lists, for each package or folder of packages (ending in "/"), the packages of this module that it may import. The
// longest entry counts. Lower layers know nothing of higher ones; siblings never know each other. CONTRIBUTING.md,
// "Layers", says why.
var may = map[string][]string{
	"changelog":                {},
	"internal/fault":           {},
	"internal/fault/faulttest": {"internal/fault"},
	"internal/costtest":        {},
	"internal/kafkawire":       {"internal/fault"},
	"formats":                  {"changelog"},
	"formats/internal/":        {"changelog", "internal/fault"},
	"formats/internal/typed":   {"changelog", "formats/internal/jsonx"},
	"formats/formatstest":      {"changelog", "formats", "internal/fault", "internal/costtest"},
	"formats/":                 {"changelog", "formats", "formats/internal/", "internal/fault"},
	"capture":                  {"changelog", "internal/fault"},
	"capture/capturetest":      {"changelog", "capture", "internal/fault"},
	"capture/":                 {"changelog", "capture", "internal/fault"},
	"capture/mysql":            {"changelog", "capture", "capture/mysql/schema", "internal/fault"},
	"capture/mysql/schema":     {},
	"capture/kafka":            {"changelog", "capture", "formats", "internal/fault", "internal/kafkawire"},
	"internal/shape":           {"changelog", "internal/fault"},
	"upsert":                   {"changelog", "capture", "formats", "internal/fault", "internal/kafkawire", "internal/shape"}, // shapes run in its encode workers
	"internal/pipeline":        {"changelog", "capture", "formats", "internal/fault", "internal/kafkawire", "internal/shape", "upsert"},
	"internal/daemon":          {"changelog", "capture", "upsert", "internal/fault", "internal/pipeline", "internal/web"},
	"internal/config":          {"changelog", "capture", "formats", "internal/daemon", "internal/fault", "internal/kafkawire", "internal/pipeline", "internal/shape", "upsert"},
	"internal/cli":             {"changelog", "capture", "formats", "internal/config", "internal/daemon", "internal/fault", "internal/kafkawire", "internal/pipeline", "upsert"},
	"internal/web":             {"docs"}, // the page of error codes
	"docs":                     {},
	".":                        {"capture", "capture/", "formats", "formats/", "internal/cli", "internal/config"},
}

// only lists modules that one place of ours imports, and why.
var only = []struct{ module, place, why string }{
	{"github.com/spf13/viper", "internal/config", "configuration reaches every other package as plain structs"},
	{"github.com/prometheus/", "internal/daemon", "packages expose numbers by Stats, the daemon's collector alone makes metrics of them"},
	{"github.com/coreos/go-systemd", "internal/daemon", "the service manager talks to the process as a whole"},
	{"github.com/spf13/cobra", "internal/cli", "commands are the outermost layer"},
	{"github.com/segmentio/kafka-go", "internal/kafkawire", "its producers and readers lose exactly-once; internal/kafkawire uses its transport alone"},
	{"github.com/go-mysql-org/go-mysql", "capture/mysql", "a database driver belongs to one source"},
	{"github.com/jackc/", "capture/postgres", "a database driver belongs to one source"},
	{"github.com/pingcap/", "capture/mysql/schema", "one package makes tables of statements"},
}

// stdlibOnly are the bottom packages.
var stdlibOnly = map[string]bool{"changelog": true, "internal/fault": true}

// The limits of a file that can be read in one go.
const (
	maxFileLines = 400
	maxFuncLines = 70
	maxParams    = 5
)

// source is one Go file of this module.
type source struct {
	path  string // relative
	pkg   string // its folder, "." for the root
	test  bool
	lines int
	ast   *ast.File
}

func TestLayers(t *testing.T) {
	for _, f := range sources(t, parser.ImportsOnly) {
		for _, spec := range f.ast.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := forbidden(f, path); why != "" {
				t.Errorf("%s imports %s: %s", f.path, path, why)
			}
		}
	}
}

// forbidden says why a file must not import path, or "".
func forbidden(f source, path string) string {
	if own, ok := strings.CutPrefix(path, module+"/"); ok {
		return forbiddenLayer(f, own)
	}
	if f.test {
		return "" // a test may look at the world through any eyes
	}
	for _, o := range only {
		if strings.HasPrefix(path, o.module) && f.pkg != o.place {
			return fmt.Sprintf("only %s does: %s (CONTRIBUTING.md, Layers)", o.place, o.why)
		}
	}
	if stdlibOnly[f.pkg] && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		return f.pkg + " is the bottom of the module and needs the standard library alone (CONTRIBUTING.md, Layers)"
	}
	return ""
}

func forbiddenLayer(f source, own string) string {
	if f.test && (own == f.pkg || strings.HasSuffix(own, "test")) {
		return "" // external tests, and the conformance suites
	}
	allowed, ok := rules(f.pkg)
	if !ok {
		return "the package has no layer yet: add it to arch_test.go (CONTRIBUTING.md, Layers)"
	}
	for _, a := range allowed {
		if own == a || strings.HasSuffix(a, "/") && strings.HasPrefix(own, a) {
			return ""
		}
	}
	family, _, nested := strings.Cut(own, "/")
	if nested && (family == "capture" || family == "formats") {
		return "only main.go's wiring table knows concrete sources and formats; siblings never know each other (CONTRIBUTING.md, Layers)"
	}
	return "it is not a lower layer (CONTRIBUTING.md, Layers)"
}

// rules finds the longest entry of may for a package.
func rules(pkg string) ([]string, bool) {
	if allowed, ok := may[pkg]; ok {
		return allowed, true
	}
	best, found := "", false
	for entry := range may {
		if strings.HasSuffix(entry, "/") && strings.HasPrefix(pkg, entry) && len(entry) > len(best) {
			best, found = entry, true
		}
	}
	return may[best], found
}

func TestFilesCanBeRead(t *testing.T) {
	for _, f := range sources(t, parser.SkipObjectResolution) {
		if f.test {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by the things it holds (CONTRIBUTING.md, Style)", f.path, f.lines, maxFileLines)
		}
	}
}

func TestFunctionsCanBeRead(t *testing.T) {
	fset := token.NewFileSet()
	for _, f := range sourcesIn(t, fset, parser.SkipObjectResolution) {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line - 1; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines, more than %d (CONTRIBUTING.md, Style)", f.path, fn.Name.Name, n, maxFuncLines)
			}
			if n := fn.Type.Params.NumFields(); n > maxParams {
				t.Errorf("%s: %s has %d parameters, more than %d: what belongs together is a struct (CONTRIBUTING.md, Style)", f.path, fn.Name.Name, n, maxParams)
			}
		}
	}
}

func TestOnlyMainEndsTheProcess(t *testing.T) {
	for _, f := range sources(t, parser.SkipObjectResolution) {
		if f.test || f.pkg == "." {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "os" && sel.Sel.Name == "Exit" || x.Name == "log" && strings.HasPrefix(sel.Sel.Name, "Fatal")) {
				t.Errorf("%s calls %s.%s: return the error, main.go alone ends the process (CONTRIBUTING.md, Style)", f.path, x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestRulesBite makes sure that the rules refuse what they are for.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		pkg, imports string
		test, ok     bool
	}{
		{"changelog", "cdcbridge/internal/fault", false, false},
		{"changelog", "github.com/klauspost/compress", false, false},
		{"changelog", "pgregory.net/rapid", true, true},
		{"formats/canal", "cdcbridge/formats/debezium", false, false},
		{"formats/canal", "cdcbridge/formats/internal/jsonx", false, true},
		{"formats/canal", "cdcbridge/formats/formatstest", true, true},
		{"formats/canal", "cdcbridge/formats/formatstest", false, false},
		{"capture/mysql", "cdcbridge/capture/postgres", false, false},
		{"capture/mysql", "cdcbridge/upsert", false, false},
		{"capture/kafka", "cdcbridge/internal/kafkawire", false, true},
		{"upsert", "cdcbridge/formats/canal", false, false},
		{"internal/cli", "cdcbridge/capture/mysql", false, false},
		{"internal/pipeline", "cdcbridge/internal/daemon", false, false},
		{"internal/pipeline", "github.com/prometheus/client_golang/prometheus", false, false},
		{"internal/daemon", "github.com/spf13/viper", false, false},
		{"internal/config", "github.com/spf13/viper", false, true},
		{"internal/other", "cdcbridge/changelog", false, false},
		{".", "cdcbridge/capture/mysql", false, true},
		{".", "cdcbridge/upsert", false, false},
	} {
		f := source{pkg: c.pkg, test: c.test}
		if why := forbidden(f, c.imports); (why == "") != c.ok {
			t.Errorf("%s importing %s: %q", c.pkg, c.imports, why)
		}
	}
}

func sources(t *testing.T, mode parser.Mode) []source {
	t.Helper()
	return sourcesIn(t, token.NewFileSet(), mode)
}

// sourcesIn parses every Go file of this module. integration/ is a module of its own, above all layers.
func sourcesIn(t *testing.T, fset *token.FileSet, mode parser.Mode) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == "integration" || d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, mode)
		if err != nil {
			return err
		}
		all = append(all, source{
			path: path, pkg: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go"),
			lines: fset.File(file.FileStart).LineCount(), ast: file,
		})
		return nil
	})
	if err != nil {
		t.Fatalf("reading the module: %v", err)
	}
	if len(all) < 20 {
		t.Fatalf("found %d files only", len(all))
	}
	return all
}
