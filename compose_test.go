package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cdcbridge/internal/config"
)

// composed is a service of docker-compose.yml.
type composed struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Profiles    []string
	Ports       []string
	Volumes     []string
	Configs     []struct{ Source, Target string }
	Secrets     []string
	GracePeriod string   `yaml:"stop_grace_period"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
}

// TestCompose: each profile has what it needs, its files are there, and its configurations are ones that the daemon takes.
// `make check-deploy` asks docker compose too, where there is one.
func TestCompose(t *testing.T) {
	var file struct {
		Services         map[string]composed
		Configs, Secrets map[string]struct{ File string }
	}
	readYAML(t, "docker-compose.yml", &file)
	for profile, services := range map[string][]string{"mysql": {"mysql", "cdcbridge"}, "postgres": {"postgres", "cdcbridge-postgres"}, "flink": {"jobmanager", "taskmanager"}, "": {"kafka"}} {
		for _, name := range services {
			if s, ok := file.Services[name]; !ok || strings.Join(s.Profiles, " ") != profile {
				t.Errorf("service %s has the profiles %q, want %q", name, s.Profiles, profile)
			}
		}
	}
	ports := map[string]string{}
	for name, s := range file.Services {
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s shows %s to the world", name, p)
			}
			host := p[:strings.LastIndexByte(p, ':')]
			if other, taken := ports[host]; taken {
				t.Errorf("%s and %s both are at %s", name, other, host)
			}
			ports[host] = name
		}
		for _, v := range s.Volumes {
			if path, _, _ := strings.Cut(v, ":"); strings.HasPrefix(path, ".") && !exists(path) {
				t.Errorf("%s mounts %s, which is not there", name, path)
			}
		}
		if s.Image == "" && !exists(s.Build.Context+"/"+s.Build.Dockerfile) {
			t.Errorf("%s is built from %+v, which is not there", name, s.Build)
		}
		if !strings.HasPrefix(name, "cdcbridge") {
			continue
		}
		if d, err := time.ParseDuration(s.GracePeriod); err != nil || d < defaultShutdown(t)+10*time.Second {
			t.Errorf("%s is killed after %q", name, s.GracePeriod)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s may do more than it needs", name)
		}
		if len(s.Configs) != 1 || len(s.Secrets) != 1 {
			t.Fatalf("%s has %d configurations and %d secrets", name, len(s.Configs), len(s.Secrets))
		}
		composedConfig(t, file.Configs[s.Configs[0].Source].File, s.Secrets[0], file.Secrets[s.Secrets[0]].File)
	}
}

// composedConfig loads a configuration with the secret where it is outside of the container.
func composedConfig(t *testing.T, path, secret, secretFile string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inside := "/run/secrets/" + secret
	if !strings.Contains(string(text), "password_file: "+inside+"\n") {
		t.Errorf("%s does not read %s", path, inside)
	}
	cfg, err := config.LoadText(path, strings.ReplaceAll(string(text), inside, secretFile), registry(), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Error(err)
		return
	}
	if cfg.HTTP.Listen != "0.0.0.0:8083" {
		t.Errorf("%s listens on %s, which nothing outside of the container reaches", path, cfg.HTTP.Listen)
	}
}

// TestDockerfile: the image holds a static program, the licences, and runs as nobody in particular.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	for _, line := range []string{
		"FROM golang:" + version[1] + " AS build",
		`RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /cdcbridge .`,
		"FROM gcr.io/distroless/static-debian12:nonroot",
		"COPY --from=build /src/LICENSE /src/THIRD_PARTY.md /usr/share/doc/cdcbridge/",
		"USER nonroot",
		"STOPSIGNAL SIGTERM",
		`ENTRYPOINT ["/usr/local/bin/cdcbridge"]`,
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("deploy/Dockerfile has no line %s", line)
		}
	}
	last := string(text)[strings.LastIndex(string(text), "\nFROM "):]
	if strings.Count(last, "\nCOPY ") != 2 || strings.Contains(last, "\nRUN ") || strings.Contains(last, "\nADD ") {
		t.Errorf("the image holds more than the program and the licences: %s", last)
	}
}
