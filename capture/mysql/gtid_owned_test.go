package mysql

import "testing"

func TestOwned(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "",
		uuidA + ":3#17":                            uuidA + ":3",
		uuidA + ":3#17:5#18#19":                    uuidA + ":3:5",
		uuidA + ":3#17" + uuidB + ":2#8":           uuidA + ":3," + uuidB + ":2",
		uuidB + ":3#17" + uuidA + ":12#8":          uuidA + ":12," + uuidB + ":3", // one begins with a digit
		uuidA + ":3#17,\n" + uuidB + ":2#8":        uuidA + ":3," + uuidB + ":2",
		uuidA + ":blue:3#17" + uuidB + ":2#8:4#9":  uuidA + ":blue:3," + uuidB + ":2:4",
		uuidA + ":blue:3#17," + uuidA + ":4#9:6#9": uuidA + ":4:6:blue:3",
	} {
		set, err := parseOwned(text)
		if err != nil || set.String() != want {
			t.Errorf("%q: %v %v, want %q", text, set.String(), err, want)
		}
	}
}
