package udp

import (
	"hash/maphash"
	"net/netip"
	"testing"
)

func TestSplit(t *testing.T) {
	for text, want := range map[string]struct {
		host string
		port uint16
	}{
		"": {"", DefaultPort}, ":0": {"", 0}, ":3208": {"", 3208},
		"127.0.0.1": {"127.0.0.1", DefaultPort}, "127.0.0.1:1": {"127.0.0.1", 1},
		"gw.example": {"gw.example", DefaultPort}, "gw.example:65535": {"gw.example", 65535},
		"::1": {"::1", DefaultPort}, "[::1]": {"::1", DefaultPort}, "[::1]:9": {"::1", 9}, "[fe80::1%lo]:9": {"fe80::1%lo", 9},
	} {
		host, port, err := split(text)
		if host != want.host || port != want.port || err != nil {
			t.Errorf("%q is %q and %d (%v), want %q and %d", text, host, port, err, want.host, want.port)
		}
	}
	for _, text := range []string{"a:b:c", "host:", "host:-1", "host:65536", "host:udp", "[::1"} {
		if host, port, err := split(text); err == nil {
			t.Errorf("%q is %q and %d, want an error", text, host, port)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:9": "127.0.0.1:9", "[::ffff:127.0.0.1]:9": "127.0.0.1:9", "[2001:db8::1]:65535": "[2001:db8::1]:65535",
		"[fe80::1%3]:9": "[fe80::1%3]:9", "[2001:db8::1%3]:9": "[2001:db8::1]:9", "[::]:0": "[::]:0",
	} {
		a := keyOf(netip.MustParseAddrPort(in))
		if a.String() != want {
			t.Errorf("%s is %s, want %s", in, &a, want)
		}
	}
}

// One address has one hash for each listener with its port, and one for all without.
func TestAddressHash(t *testing.T) {
	seed := maphash.MakeSeed()
	a, b := keyOf(netip.MustParseAddrPort("10.0.0.1:1")), keyOf(netip.MustParseAddrPort("10.0.0.1:2"))
	if a.hash(seed, 1, true) == b.hash(seed, 1, true) || a.hash(seed, 1, true) == a.hash(seed, 2, true) {
		t.Error("ports or listeners share a hash")
	}
	if a.hash(seed, 1, false) != b.hash(seed, 2, false) || a.hash(seed, 0, false) == 0 {
		t.Error("one address has two hashes, or none")
	}
}

func TestScopes(t *testing.T) {
	s := scopes{}
	if s.of("") != 0 || s.of("7") != 7 || s.of("no such interface") != 0 || len(s) != 2 {
		t.Errorf("%v", s)
	}
}
