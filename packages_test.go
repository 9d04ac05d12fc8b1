package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packaged is an entry of the packages' contents.
type packaged struct {
	Src, Dst, Type, Packager string
	FileInfo                 struct{ Mode uint32 } `yaml:"file_info"`
}

// packages is what matters of nfpm.yaml.
type packages struct {
	Name, License string
	Depends       []string
	Contents      []packaged
	Scripts       map[string]string
}

func readPackages(t *testing.T) packages {
	t.Helper()
	var p packages
	readYAML(t, "nfpm.yaml", &p)
	return p
}

// TestPackagesHoldWhatIsThere: every file of the packages exists or is made by deploy/release.sh, and lies where the unit and the
// documentation look for it. deploy/packages_check.sh installs and removes the packages.
func TestPackagesHoldWhatIsThere(t *testing.T) {
	p := readPackages(t)
	if p.Name != "cdcbridge" || p.License != "Apache-2.0" || len(p.Depends) > 0 {
		t.Errorf("package %s, license %s, depends on %q: a static program depends on nothing", p.Name, p.License, p.Depends)
	}
	at := map[string]packaged{}
	for _, c := range p.Contents {
		if _, twice := at[c.Dst]; twice && c.Packager == "" {
			t.Errorf("%s is in the packages twice", c.Dst)
		}
		at[c.Dst] = c
		if c.FileInfo.Mode == 0 || c.FileInfo.Mode&0o022 != 0 {
			t.Errorf("%s has mode %o", c.Dst, c.FileInfo.Mode)
		}
		if c.Type == "dir" || strings.HasPrefix(c.Src, "dist/") {
			continue
		}
		if found, err := filepath.Glob(c.Src); err != nil || len(found) == 0 {
			t.Errorf("%s is not there: %v", c.Src, err)
		}
		if c.FileInfo.Mode != 0o644 {
			t.Errorf("%s has mode %o; the program alone is to be run", c.Dst, c.FileInfo.Mode)
		}
	}
	_, unit := readService(t)
	program := strings.Fields(unit["Service.ExecStart"][0])[0]
	if c := at[program]; !strings.HasPrefix(c.Src, "dist/build/linux-") || c.FileInfo.Mode != 0o755 {
		t.Errorf("the unit starts %s, which is %+v", program, c)
	}
	if c := at["/etc/cdcbridge/secrets"]; c.Type != "dir" || c.FileInfo.Mode != 0o700 {
		t.Errorf("passwords are in %+v", c)
	}
	if at["/usr/lib/systemd/system/cdcbridge.service"].Src != serviceFile {
		t.Error("the unit is not where systemd looks")
	}
	page := strings.TrimPrefix(unit["Unit.Documentation"][0], "file:")
	if c := at[filepath.Dir(page)+"/"]; c.Src != "docs/*.md" || !exists(filepath.Join("docs", filepath.Base(page))) {
		t.Errorf("the unit's documentation %s is not in the packages", page)
	}
	if _, ok := at["/etc/cdcbridge/cdcbridge.yaml"]; ok {
		t.Error("the configuration is the administrator's")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestPackageScripts runs the scripts as dpkg and rpm do, with a systemctl that writes down what it is told.
func TestPackageScripts(t *testing.T) {
	p := readPackages(t)
	bin, running := t.TempDir(), t.TempDir()
	log := filepath.Join(bin, "log")
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho \"$*\" >>"+log+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script, manager string
		args            []string
		want            string
	}{
		{"postinstall", "dpkg installs", []string{"configure", ""}, "daemon-reload\n"},
		{"postinstall", "dpkg upgrades", []string{"configure", "1.0.0"}, "daemon-reload\ntry-restart cdcbridge.service\n"},
		{"postinstall", "rpm installs", []string{"1"}, "daemon-reload\n"},
		{"postinstall", "rpm upgrades", []string{"2"}, "daemon-reload\ntry-restart cdcbridge.service\n"},
		{"preremove", "dpkg removes", []string{"remove"}, "disable --now cdcbridge.service\n"},
		{"preremove", "dpkg upgrades", []string{"upgrade", "1.0.1"}, ""},
		{"preremove", "rpm removes", []string{"0"}, "disable --now cdcbridge.service\n"},
		{"preremove", "rpm upgrades", []string{"1"}, ""},
		{"postremove", "dpkg removes", []string{"remove"}, "daemon-reload\n"},
		{"postremove", "rpm upgrades", []string{"1"}, "daemon-reload\n"},
	} {
		text, err := os.ReadFile(p.Scripts[c.script])
		if err != nil {
			t.Fatal(err)
		}
		const systemd = "/run/systemd/system"
		if strings.Count(string(text), systemd) != 1 {
			t.Fatalf("%s does not ask whether systemd runs", c.script)
		}
		for dir, want := range map[string]string{running: c.want, filepath.Join(running, "not"): ""} {
			if err := os.WriteFile(log, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", append([]string{"-c", strings.ReplaceAll(string(text), systemd, dir), c.script}, c.args...)...)
			cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %s: %v %s", c.manager, c.script, err, out)
			}
			if got, err := os.ReadFile(log); err != nil || string(got) != want {
				t.Errorf("%s, %s in %s: systemctl was told %q, want %q (%v)", c.manager, c.script, dir, got, want, err)
			}
		}
	}
}

// TestPackageVersions: versions are in an order that dpkg and rpm know, and have no character that they do not.
func TestPackageVersions(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-4-g0a1b2c3": "1.2.3+4.g0a1b2c3", "v1.2.3-4-g0a1b2c3-dirty": "1.2.3+4.g0a1b2c3.dirty", "v2.0.0-rc.1": "2.0.0~rc.1", "v2.0.0-rc1-4-g0a1b2c3": "2.0.0~rc1.4.g0a1b2c3", "0a1b2c3": "0.0.0+0a1b2c3", "dev": "0.0.0+dev",
	} {
		cmd := exec.Command("bash", "deploy/release.sh", "version", version)
		cmd.Env = append(slices.Clone(os.Environ()), "VERSION=other", "SOURCE_DATE_EPOCH=1")
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s is %q, want %q (%v)", version, out, want, err)
		}
	}
}
