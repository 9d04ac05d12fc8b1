package capture

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	c := struct {
		User     string
		Password Secret
	}{"u", "hunter2"}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", &c), fmt.Sprintf("%s %q %v", c.Password, c.Password, c.Password), string(j), c.Password.LogValue().String()} {
		if strings.Contains(s, "hunter2") {
			t.Error(s)
		}
	}
}
