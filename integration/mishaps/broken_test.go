package mishaps

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cdcbridge/integration/harness"
	"cdcbridge/integration/servers"
)

// wrongly is how KEY: SECRET is written by mistake.
var wrongly = map[string]string{
	"a list":                  "KEY: [SECRET]",
	"a group":                 "KEY: {SECRET: SECRET}",
	"an alias":                "KEY: *SECRET",
	"an anchor":               "KEY: &SECRET",
	"a tag":                   "KEY: !SECRET x",
	"a tagged number":         "KEY: !!int SECRET",
	"a tagged flag":           "KEY: !!bool SECRET",
	"a tagged time":           "KEY: !!timestamp SECRET",
	"tagged bytes":            "KEY: !!binary SECRET%",
	"no blank":                "KEY:SECRET",
	"no colon":                "KEY SECRET",
	"an equals sign":          "KEY=SECRET",
	"an open quote":           `KEY: "SECRET`,
	"a wrong escape":          `KEY: "SECRET\q"`,
	"an open variable":        "KEY: '${SECRET'",
	"no variable":             "KEY: '${1SECRET}'",
	"a variable and more":     "KEY: 'a${SECRET:+x}b'",
	"twice":                   "KEY: SECRET, KEY: SECRET",
	"twice, in another case":  "KEY: SECRET, keY: SECRET",
	"beside a file":           "KEY: SECRET, KEY_file: /nowhere",
	"as a file in a list":     "KEY_file: [SECRET]",
	"a wrong name":            "KEYs: SECRET",
	"a wrong name with blank": "'my KEY': SECRET",
	"a colon in it":           "KEY: SECRET: SECRET",
	"a comment sign":          "KEY: SECRET #, x: [",
	"a tab":                   "KEY:\tSECRET\t: x",
	"a reserved sign":         "KEY: @SECRET",
	"a per cent sign":         "KEY: %SECRET",
	"a back quote":            "KEY: `SECRET",
	"more than one line":      "KEY: |\n SECRET",
}

// TestSecretsInBrokenFiles writes secrets in every wrong way. What is said about the file shows none of them. Names are shown: of a key, of
// a file, of a variable.
func TestSecretsInBrokenFiles(t *testing.T) {
	const file = `
kafka: {brokers: ["127.0.0.1:1"], sasl: {mechanism: plain, user: alice, KAFKA}}
pipelines:
  - name: shop
    source: {type: mysql, host: 127.0.0.1, port: 1, user: cdc, SOURCE, tables: [shop.*]}
    format: plain-json
    tables: [{name: shop.t, mask: [{columns: [v], with: hash, SALT}]}]
`
	good := map[string]string{"KAFKA": "password: ok", "SOURCE": "password: ok", "SALT": "salt: ok"}
	secrets := map[string]string{"KAFKA": core(planted["Kafka"]), "SOURCE": core(planted["MySQL"]), "SALT": core(planted["salt of a mask"])}
	named := func(place string) string { return strings.SplitN(good[place], ":", 2)[0] }
	for name, write := range wrongly {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for place, secret := range secrets {
				config := file
				for p, text := range good {
					if p == place {
						text = strings.NewReplacer("KEY", named(p), "keY", strings.ToUpper(named(p)), "SECRET", secret).Replace(write)
					}
					config = strings.Replace(config, p, text, 1)
				}
				path := harness.ConfigFile(t, config)
				whole := harness.ConfigFile(t, strings.NewReplacer("KAFKA", good["KAFKA"], "SOURCE", good["SOURCE"], "SALT", good["SALT"]).Replace(file))
				said, commands := "", [][]string{{"validate", "--offline", "-c", path}, {"validate", "--offline", "-o", "json", "-c", path}}
				if place == "SOURCE" { // these read the file in the same way
					commands = append(commands, []string{"status", "-c", path}, []string{"validate", "--diff", whole, "-c", path}, []string{"validate", "--diff", path, "-c", whole, "-o", "json"})
				}
				for _, args := range commands {
					exit, out, errs := harness.Command(t, args...)
					said += out + errs
					if strings.Contains(out+errs, "panic") {
						t.Errorf("%v ends with %d: %s", args, exit, errs)
					}
				}
				discreet(t, place+" as "+write, said)
			}
		})
	}
}

// TestSecretsOfInit gives addresses with passwords, right and wrong ones, whole and broken ones.
func TestSecretsOfInit(t *testing.T) {
	my := servers.MySQLFor(t, servers.MySQLOptions{})
	password := core(planted["MySQL"])
	if err := my.CreateUser(t.Context(), "cdc", password, "REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*", "SELECT ON *.*"); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{
		"mysql://cdc:SECRET@" + my.Addr() + "/shop", "mysql://cdc:xSECRET@" + my.Addr() + "/shop", "mysql://cdc:SECRET@127.0.0.1:1/shop", "mysql://cdc:SECRET@nowhere.invalid/shop",
		"mysql://cdc:SECRET@127.0.0.1:port/shop", "mysql://cdc:SECRET%zz@127.0.0.1/shop", "mysql://cdc:SECRET/@127.0.0.1/shop", "mysql://cdc:SECRET#@127.0.0.1/shop", "mysql://cdc:SECRET?x@127.0.0.1/shop",
		"mysql:/cdc:SECRET@127.0.0.1/shop", "mysqll://cdc:SECRET@127.0.0.1/shop", "cdc:SECRET@tcp(127.0.0.1:3306)/shop", "mysql://127.0.0.1/shop?user=cdc&password=SECRET",
		"postgres://cdc:SECRET@127.0.0.1:1/shop", "postgres://cdc:SECRET@127.0.0.1:1", "postgres://cdc:SECRET@127.0.0.1:1/shop?sslmode=SECRET", "host=127.0.0.1 user=cdc password=SECRET dbname=shop",
		"kafka://alice:SECRET@127.0.0.1:1/topic", "kafka://127.0.0.1:1/topic?password=SECRET",
	} {
		path := filepath.Join(t.TempDir(), "cdcbridge.yaml")
		exit, out, errs := harness.Command(t, "init", strings.ReplaceAll(address, "SECRET", password), "-c", path, "--timeout", "5s")
		written, err := os.ReadFile(path)
		if (err == nil) != (exit == 0 || exit == 3) && address != "" {
			t.Logf("%s: exit %d, %v", address, exit, err)
		}
		discreet(t, "init "+address, out+errs+string(written))
	}
}

// TestEverySecretIsPlanted fails when the configuration gets a key for a secret that no test here gives.
func TestEverySecretIsPlanted(t *testing.T) {
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile("tokens_test.go")
	if err != nil {
		t.Fatal(err)
	}
	all := string(given) + (&vault{T: t, kafka: &servers.Kafka{}, my: &servers.MySQL{}, pg: &servers.Postgres{}}).yaml("text", false)
	keys := regexp.MustCompile(`(?m)^ *(?:- )?(?:\w+_)?(?:password|passphrase|secret|token|salt|credentials)(?:_file)?:`).FindAllString(string(example), -1)
	if len(keys) < 5 {
		t.Fatalf("found %q only", keys)
	}
	for _, key := range keys {
		if !strings.Contains(all, strings.Trim(key, " -:")) {
			t.Errorf("no test gives the secret %s", key)
		}
	}
}
