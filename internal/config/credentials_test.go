package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPasswordsFromCredentials: systemd puts what LoadCredential= names into a directory of its own; without systemd the same
// configuration reads the folder that the administrator fills.
func TestPasswordsFromCredentials(t *testing.T) {
	const text = "kafka: {brokers: [a:1]}\npipelines: [{name: a, format: canal-json, source: {type: mysql, host: h, tables: [a.b], password_file: '${CREDENTIALS_DIRECTORY:-OTHER}/mysql'}}]\n"
	credentials, other := t.TempDir(), t.TempDir()
	for dir, secret := range map[string]string{credentials: "of the service\n", other: "of the folder\n"} {
		if err := os.WriteFile(filepath.Join(dir, "mysql"), []byte(secret), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	load := func(env map[string]string) (*Config, error) {
		return LoadText("c.yml", strings.ReplaceAll(text, "OTHER", other), registry, func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		})
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"CREDENTIALS_DIRECTORY": credentials}, "of the service"},
		{nil, "of the folder"},
	} {
		cfg, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Pipelines[0].Spec.Source.(*fakeSource).Password; got != c.want {
			t.Errorf("%v gave %q", c.env, got)
		}
	}
	_, err := load(map[string]string{"CREDENTIALS_DIRECTORY": filepath.Join(credentials, "gone")})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(credentials, "gone", "mysql")) || strings.Contains(err.Error(), "of the") {
		t.Errorf("a credential that is missing: %v", err)
	}
}
