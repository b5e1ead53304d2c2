package config

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/store"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, "10m": 10 * time.Minute, "500ms": 500 * time.Millisecond, "7d": 7 * 24 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "ten minutes", "1.5d", "-1d", "d", "1y", "99999999999999d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestDurationsAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxRetention)).Draw(t, "d")) * rapid.SampledFrom([]time.Duration{1, time.Second, time.Hour}).Draw(t, "unit")
		d = max(0, min(d, maxRetention))
		if got, err := parseDuration(durationText(d)); got != d || err != nil {
			t.Errorf("%v as %q is %v, %v", d, durationText(d), got, err)
		}
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"2GiB": 2 << 30, "64 MiB": 64 << 20, "1.5MiB": 3 << 19, "1MB": 1e6, "4096": 4096, "10B": 10, "1TiB": 1 << 40, "2kB": 2000, "0": 0,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "GiB", "two", "-1MiB", "1 gib", "1e30GiB", "nan", "inf"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40).Draw(t, "n")
		if got, err := parseSize(sizeText(n)); got != n || err != nil {
			t.Errorf("%d as %q is %d, %v", n, sizeText(n), got, err)
		}
	})
}

func TestRates(t *testing.T) {
	for text, want := range map[string]int{"600/min": 600, "10/s": 600, "60/h": 1, "unlimited": store.Unlimited, "1 / min": 1, "1440/d": 1} {
		if got, err := parseRate(text, time.Minute); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "600", "600/", "/min", "1/week", "1/h", "0/s", "-1/s", "1.5/s", "4000000000/s"} {
		if got, err := parseRate(text, time.Minute); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if rateText(store.Unlimited, "s") != "unlimited" || rateText(math.MaxInt32, "s") != "unlimited" || rateText(3, "s") != "3/s" {
		t.Error("rates as text")
	}
}

func TestAddresses(t *testing.T) {
	listen, remote := addressKind{listen: true, port: defaultPort}, addressKind{port: defaultPort}
	for _, c := range []struct {
		text string
		kind addressKind
		want string // empty: refused
	}{
		{"127.0.0.1:2208", listen, "127.0.0.1:2208"},
		{"127.0.0.1:0", listen, "127.0.0.1:0"},
		{":2208", listen, ":2208"},
		{"[::]:2208", listen, "[::]:2208"},
		{"[0:0::1]:80", listen, "[::1]:80"},
		{"::1", remote, "[::1]:2208"},
		{"[::1]", remote, "[::1]:2208"},
		{"GW.example.org", remote, "gw.example.org:2208"},
		{"gw:5000", remote, "gw:5000"},
		{"127.0.0.1", addressKind{listen: true}, ""},
		{"127.0.0.1:0", remote, ""},
		{":2208", remote, ""},
		{"[::]:2208", remote, ""},
		{"127.0.0.1:99999", listen, ""},
		{"127.0.0.1:http", listen, ""},
		{"udp://127.0.0.1:2208", listen, ""},
		{"a b:1", listen, ""},
		{"-a:1", listen, ""},
		{"", listen, ""},
	} {
		got, err := parseAddress(c.text, c.kind)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q is %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

func TestClashes(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{":1", "127.0.0.1:1", true},
		{"[::1]:1", "[::]:1", true},
		{"0.0.0.0:1", "127.0.0.1:1", true},
		{"0.0.0.0:1", "[::1]:1", false},
		{"0.0.0.0:1", "[::]:1", false},
		{":1", "[::]:1", true},
		{"localhost:1", "127.0.0.1:1", true},
		{"192.0.2.1:1", "127.0.0.1:1", false},
	} {
		if clash(c.a, c.b) != c.want || clash(c.b, c.a) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	list := []string{"retention", "max_size", "durability", "rules", "key", "udp", "unix"}
	for word, want := range map[string]string{
		"retenton": "retention", "Retention": "retention", "max-size": "max_size", "rule": "rules", "kee": "key", "upd": "udp",
		"colour": "", "": "", "x": "", "durabillity": "durability",
	} {
		if got := nearest(word, list); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(0, 12, 60).Draw(t, "a"), rapid.StringN(0, 12, 60).Draw(t, "b")
		if d := distance(a, b); d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Errorf("distance of %q and %q is %d", a, b, d)
		}
	})
}
