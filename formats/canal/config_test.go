package canal

import (
	"strings"
	"testing"

	"cdcbridge/changelog"
	"cdcbridge/formats"
	"cdcbridge/internal/fault"
)

func TestConfigTellsEveryProblem(t *testing.T) {
	k := Kind()
	if k.Name != "canal-json" {
		t.Errorf("name %q", k.Name)
	}
	if errs := k.Config().Validate(); len(errs) != 0 {
		t.Errorf("defaults: %v", errs)
	}
	bad := &Config{Timezone: "Mars/Base", Binary: "hex", Enum: "mask", Set: "index", ZeroDate: "", Compat: "mysql", DDLTopic: "{table}", ZoneSuffix: true}
	errs := bad.Validate()
	for i, key := range []string{"timezone: ", "zone_suffix: ", "binary: ", "enum: ", "set: ", "zero_date: ", "special_values: ", "nested: ", "compat: ", "ddl_topic: "} {
		if i >= len(errs) || !strings.HasPrefix(errs[i].Error(), key) {
			t.Errorf("problem %d is not about %s: %v", i, key, errs)
		}
	}
	if _, err := bad.Format(formats.Env{}).Compile(&changelog.Table{}, formats.Options{}); !fault.Is(err, fault.Config) {
		t.Errorf("compiling with it: %v", err)
	}
	if defaults().Preset("spark") {
		t.Error("knows a preset that it does not have")
	}
}

func TestZones(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "+08:00", "-03:30", "Etc/UTC"} {
		if _, err := loadZone(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "Local", "+8", "08:00", "../etc/passwd", "Berlin"} {
		if loc, err := loadZone(name); err == nil {
			t.Errorf("%q is taken as %v", name, loc)
		}
	}
}
