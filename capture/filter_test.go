package capture

import "testing"

func TestFilter(t *testing.T) {
	f, err := NewFilter([]string{"shop.*", "crm.cust_??", "x*.a*c"}, []string{"shop.tmp_*"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[[2]string]bool{
		{"shop", "orders"}: true, {"shop", "a.b"}: true, {"shop", "tmp_1"}: false, {"Shop", "orders"}: false,
		{"crm", "cust_01"}: true, {"crm", "cust_001"}: false, {"xyz", "abbc"}: true, {"xyz", "abcd"}: false,
		{"other", "orders"}: false,
	} {
		if got := f.Match(name[0], name[1]); got != want {
			t.Errorf("%v: %v, want %v", name, got, want)
		}
	}
	for _, bad := range []string{"orders", ".orders", "shop.", ""} {
		if _, err := NewFilter([]string{bad}, nil); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
