package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateThirdParty = flag.Bool("update-third-party", false, "rewrite THIRD_PARTY.md from the modules that go.mod names")

const (
	thirdPartyPage = "THIRD_PARTY.md"
	thirdPartyHead = `# What others have written

The program holds code of the modules below; their licences ask that these texts go where it goes. Modules that are not in the program are for its
tests, or for systems that it is not built for. A test holds the list against go.mod. After a change of dependencies:
` + "`go test . -run TestThirdParty -update-third-party`" + `, and read what has changed.

| module | licence | in the program |
|---|---|---|
`
)

// mayBeGivenAway are the licences under which code can be part of an Apache-2.0 program that is given away as a binary.
var mayBeGivenAway = []string{"Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC"}

// thirdParty is a row of the page.
type thirdParty struct {
	module, licence string
	linked          bool
}

var (
	requireLine   = regexp.MustCompile(`(?m)^\s*(?:require )?([\w.-]+\.[\w.-]+(?:/[\w.~-]+)*) v[\w.+-]+(?: // indirect)?$`)
	thirdPartyRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| (yes|no) \\|$")
)

// TestThirdPartyIsListed: every module of go.mod is on the page, under a licence that allows what is done with it, with its text.
func TestThirdPartyIsListed(t *testing.T) {
	required := requiredModules(t)
	if *updateThirdParty {
		writeThirdParty(t, required)
	}
	page, err := os.ReadFile(thirdPartyPage)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]thirdParty{}
	for _, m := range thirdPartyRow.FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = thirdParty{module: m[1], licence: m[2], linked: m[3] == "yes"}
	}
	for _, module := range required {
		if _, ok := listed[module]; !ok {
			t.Errorf("%s is in go.mod and not in %s: go test . -run %s -update-third-party", module, thirdPartyPage, t.Name())
		}
	}
	linked := 0
	for module, row := range maps.All(listed) {
		if module != "Go" && !slices.Contains(required, module) {
			t.Errorf("%s is in %s and not in go.mod", module, thirdPartyPage)
		}
		if !row.linked {
			continue
		}
		linked++
		for one := range strings.SplitSeq(row.licence, " and ") {
			if !slices.Contains(mayBeGivenAway, one) {
				t.Errorf("%s is under %s: it cannot be in the program before somebody has thought about that", module, one)
			}
		}
		if !strings.Contains(string(page), "`"+module+"`") || !regexp.MustCompile("(?m)^## .*`"+regexp.QuoteMeta(module)+"`").Match(page) {
			t.Errorf("%s has no text in %s", module, thirdPartyPage)
		}
	}
	if linked < 20 {
		t.Errorf("found %d modules in the program only", linked)
	}
}

// requiredModules are the modules of go.mod, sorted.
func requiredModules(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range requireLine.FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	if len(all) < 20 || len(all) != strings.Count(string(text), " v")-strings.Count(string(text), "=> ") {
		t.Fatalf("found %d modules in go.mod", len(all))
	}
	return all
}

// goList runs the go command and returns pairs of module and folder.
func goList(t *testing.T, system string, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && path != module {
			dirs[path] = dir
		}
	}
	return dirs
}

// writeThirdParty makes the page of what lies in the module cache.
func writeThirdParty(t *testing.T, required []string) {
	t.Helper()
	linked := map[string]string{"Go": filepath.Clean(strings.TrimSpace(goRoot(t)))}
	for _, system := range []string{"linux", "darwin"} {
		maps.Copy(linked, goList(t, system, "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "."))
	}
	all := goList(t, "linux", append([]string{"-m", "-f", "{{.Path}}\t{{.Dir}}"}, required...)...)
	maps.Copy(all, linked)
	var table, texts strings.Builder
	table.WriteString(thirdPartyHead)
	users := map[string][]string{} // text → modules
	var order []string
	for _, module := range slices.Sorted(maps.Keys(all)) {
		licence, text := licenceOf(t, module, all[module])
		_, in := linked[module]
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", module, licence, map[bool]string{true: "yes", false: "no"}[in])
		if !in {
			continue
		}
		if users[text] == nil {
			order = append(order, text)
		}
		users[text] = append(users[text], "`"+module+"`")
	}
	for _, text := range order {
		fmt.Fprintf(&texts, "\n## %s\n\n~~~text\n%s\n~~~\n", strings.Join(users[text], ", "), text)
	}
	if err := os.WriteFile(thirdPartyPage, []byte(table.String()+texts.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// licenceOf reads the licence and the notices in a module's folder, and says by their words which licences they are.
func licenceOf(t *testing.T, module, dir string) (licence, text string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%s: %v (go mod download %s)", module, err, module)
	}
	var texts, names []string
	for _, e := range entries {
		if upper := strings.ToUpper(e.Name()); e.IsDir() || !regexp.MustCompile(`^(LICEN[CS]E|COPYING|NOTICE)([.-].*)?$`).MatchString(upper) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")))
	}
	text = strings.Join(texts, "\n\n")
	words := strings.Join(strings.Fields(text), " ")
	for _, l := range []struct{ name, words string }{
		{"Apache-2.0", "Apache License"}, {"Apache-2.0", "Apache Software License"}, {"MIT", "Permission is hereby granted, free of charge"},
		{"MPL-2.0", "Mozilla Public License"}, {"GPL", "GENERAL PUBLIC LICENSE"}, {"ISC", "Permission to use, copy, modify, and/or distribute"},
	} {
		if strings.Contains(words, l.words) && !slices.Contains(names, l.name) {
			names = append(names, l.name)
		}
	}
	if strings.Contains(words, "Redistribution and use in source and binary forms") {
		if strings.Contains(words, "Neither the name") || strings.Contains(words, "may not be used to endorse") || strings.Contains(words, "may be used to endorse") {
			names = append(names, "BSD-3-Clause")
		} else {
			names = append(names, "BSD-2-Clause")
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s: no licence that is known in %s", module, dir)
	}
	return strings.Join(names, " and "), text
}
