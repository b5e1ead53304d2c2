package config

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

func TestMissingConfiguration(t *testing.T) {
	dir := folder(t)
	for path, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "is not there", dir: "is a folder", os.DevNull: "is a device or a pipe",
	} {
		_, err := Load(path)
		var list Mistakes
		if !errors.As(err, &list) || len(list) != 1 || list[0].File != path || !strings.Contains(list[0].What, want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Mistakes that need more than a text: one each.
func TestMistakesOneByOne(t *testing.T) {
	face := "[[faces]]\nname = \"up\"\ntype = \"udp\"\n"
	in := func(line string) string { return strings.Replace(head, `name = "gw"`, `name = "gw"`+"\n"+line, 1) }
	for _, c := range []struct{ text, want string }{
		{in(`data_dir = "node.toml"`), "is a file: name a folder"},
		{in(`names = ""`), "this one is hashed"},
		{in(`streams_file = "."`), "is a folder: name a file"},
		{in(`onboarding = "dm/join"`), "write a list of texts"},
		{head + "[[networks]]\nnaming = \"hashed\"\n", "has no net_id"},
		{head + "[[networks]]\nnet_id = 5\n", "has no key: add a [[network_keys]]"},
		{head + "[[networks]]\nnet_id = 1\n", "write a whole number from 0x00000002"},
		{head + face + `remote = "192.0.2.1:1"` + "\nmtu = 22\n", "from 23 to 1280"},
		{head + face + `remote = "192.0.2.1:1"` + "\nshare = 0\n", "a part above 0"},
		{head + "[admin]\nlisten = \"127.0.0.1\"\ntoken = \"0123456789abcdefghijklmnop\"\n", "write host:port"},
		{head + "[admin]\nlisten = \"127.0.0.1:1\"\ntoken = 3\n", "token is no text"},
		{head + "[admin]\nlisten = \"unix:\"\n", "names no path"},
		{head + "[plugins_trust]\n", "no module could load"},
		{head + "[[strategies]]\nprefix = \"\"\n", "has no plugin"},
		{head + "[[streams]]\nuri = \"x/y\"\niv = \"zz\"\n", "iv is not hex"},
		{head + "[[streams]]\nuri = \"x/y\"\nencryption = \"none\"\nkey = \"000102030405060708090a0b0c0d0e0f\"\n", "but there is a key"},
		{head + "[[streams]]\nuri = \"x/y\"\nencryption = \"aes-128-ctr\"\nkey = \"000102030405060708090a0b0c0d0e0f\"\n", "has no iv"},
		{head + "[[streams]]\nname = \"fe5a48454c4f\"\n", "name of hellos"},
		{head + "[[store.mirror]]\nprefix = \"f49f767abff\"\n", "12 hex digits"},
		{in(`never_cached = ["x/y"]`) + "[[store.mirror]]\nprefix = \"x/y\"\n", "never cached"},
	} {
		refuse(t, c.text, c.want)
	}
}

// A network of its own, one that it has keys for too, and a key of each by its file.
func TestP19OtherNetworks(t *testing.T) {
	dir := folder(t)
	put(t, filepath.Join(dir, "key.hex"), " 3B7E151628AED2A6ABF7158809CF4F3C\n", 0o640)
	put(t, filepath.Join(dir, "names.toml"), "[[levels]]\n\"location/hq\" = 0x01\n", 0o644)
	path := filepath.Join(dir, "node.toml")
	put(t, path, strings.Replace(head, `name = "gw"`, "name = \"gw\"\nnet_id = 1", 1)+`
[[networks]]
net_id = 0x00010020
naming = "hierarchical"
names = "names.toml"
[[network_keys]]
net_id = 0x00010020
id = 3
use = true
key_file = "key.hex"
`, 0o644)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := c.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	check(t, "networks", ring.Len(), 2)
	check(t, "Net ID 1 is the local network", ring.NetID(0), 0)
	check(t, "Net ID", ring.NetID(1), 0x00010020)
	check(t, "key to sign with", ring.Use(1), 3)
	check(t, "naming", c.Naming()[1].Naming(), name.Hierarchical)
	check(t, "key", c.Networks[1].Keys[0].Key.Bytes()[0], 0x3b)
	check(t, "names in order", c.StoreConfig().Sorted, true)
}

// A plugin's own table comes with the place of each key, for whoever checks it against the schema.
func TestPluginConfig(t *testing.T) {
	c := mustLoad(t, head+`[[plugins]]
name = "flood"
builtin = "multicast"
[plugins.config]
times = 3
[[plugins.config.links]]
name = "a"
[[plugins.config.links]]
name = "b"
quality = { low = 0.5 }
`)
	p := c.Plugin("flood")
	check(t, "config", p.Config, map[string]any{"times": int64(3), "links": []any{
		map[string]any{"name": "a"}, map[string]any{"name": "b", "quality": map[string]any{"low": 0.5}},
	}})
	for key, line := range map[string]int{"times": 11, "links[0].name": 13, "links[1]": 14, "links[1].quality.low": 16} {
		check(t, key, p.Keys[key].Line, line)
	}
	check(t, "where", filepath.Base(p.Keys["times"].String()), "node.toml:11")
}

func TestHashedLists(t *testing.T) {
	c := mustLoad(t, strings.Replace(head, `name = "gw"`, `name = "gw"
management = ["dm/join"]
never_cached = ["live/camera"]
onboarding = ["dm/join"]`, 1)+`
[[streams]]
uri = "location/hq/floor/2/room/22/event/temp"
[[streams]]
uri = "location/hq/floor/2/room/23/event/temp"
name = "0102030405ff"
port = "payload"
`)
	check(t, "onboarding", c.Node.Onboarding, []name.Name{name.Hash("dm/join")})
	check(t, "management", c.Own().Management(name.Hash("dm/join")), true)
	check(t, "never cached", c.Own().NeverCached(name.Hash("live/camera")), true)
	check(t, "name of a URI", c.Streams[0].Name.String(), "f49f767abffb")
	check(t, "port", c.Streams[1].PortFirst, true)
	uri, ok := c.URI(name.Hash("location/hq/floor/2/room/22/event/temp"))
	check(t, "URI of a name", uri, "location/hq/floor/2/room/22/event/temp")
	check(t, "it is known", ok, true)
	n, err := c.Name("location/hq/floor/2/room/23/event/temp")
	check(t, "a name that is given wins over the hash", n.String(), "0102030405ff")
	check(t, "error", err, nil)
	if _, ok := c.URI(name.Hash("location/hq/floor/2/room/23/event/temp")); ok {
		t.Error("the hash of a URI that has another name is known")
	}
}

func TestAdminOverTCP(t *testing.T) {
	dir := folder(t)
	for _, f := range []string{"cert.pem", "key.pem", "ca.pem"} {
		put(t, filepath.Join(dir, f), "", 0o600)
	}
	put(t, filepath.Join(dir, "token"), "0123456789abcdefghijklmnop\n", 0o600)
	path := filepath.Join(dir, "node.toml")
	put(t, path, head+"[admin]\nlisten = \":9300\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\ntls_client_ca = \"ca.pem\"\ntoken_file = \"token\"\n", 0o600)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "address", c.Admin.Network+" "+c.Admin.Address, "tcp :9300")
	check(t, "files", *c.Admin.TLS, AdminTLS{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")})
	check(t, "token", string(c.Admin.Token.Bytes()), "0123456789abcdefghijklmnop")
}

// Sizes of the node are divided by its workers, and an hour's bytes are a part of max_size.
func TestStoreConfig(t *testing.T) {
	c := mustLoad(t, strings.Replace(head, `name = "gw"`, "name = \"gw\"\nworkers = 4", 1)+`[store]
retention = "2d"
max_size = "48GiB"
memory = "64MiB"
max_names = 1000
max_rate_per_name = "unlimited"
`)
	s := c.StoreConfig()
	check(t, "memory", s.LogBytes, 16<<20)
	check(t, "names", s.MaxNames, 250)
	check(t, "an hour", s.HourBytes, 1<<28)
	check(t, "retention", s.Retention, 48*time.Hour)
	check(t, "rate", s.MaxRatePerName, -1)
	check(t, "on disk", c.Store.OnDisk(), true)
	c = mustLoad(t, head+"[[store.rules]]\nprefix = \"\"\nnewest_max_age = \"1m\"\n")
	check(t, "newest_max_age", c.Store.Rules[0].NewestMaxAge, time.Minute)
	c = mustLoad(t, head+"[store]\ndurability = \"memory\"\n")
	check(t, "in memory", c.Store.OnDisk(), false)
	c = mustLoad(t, head+"[store]\ndurability = \"memory\"\n[[store.rules]]\nprefix = \"\"\ndurability = \"durable\"\n")
	check(t, "on disk by a rule", c.Store.OnDisk(), true)
}

// A file that grew beyond reason is not read.
func TestTooLongFile(t *testing.T) {
	path := filepath.Join(folder(t), "node.toml")
	put(t, path, "", 0o600)
	if err := os.Truncate(path, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "at most 64MiB") {
		t.Error(err)
	}
}

func TestPublicKeyIsRefused(t *testing.T) {
	refuse(t, strings.Replace(head, "2b7e151628aed2a6abf7158809cf4f3c", hex.EncodeToString(wire.PublicKey[:]), 1), "public key")
}

func TestPluginLimits(t *testing.T) {
	c := mustLoad(t, head+`[[plugins]]
name = "one"
builtin = "multicast"
[plugins.limits]
memory = "8MiB"
item_fuel = 2000000
start_fuel = 3000000
idle_fuel = 4000000
log_lines = 5
log_bytes = 600
metric_series = 7
state_bytes = 800
output = 2
call_time = "200ms"
traps = 3
trap_window = "10s"
max_age = "1h"
recycle_memory = "4MiB"
[[plugins]]
name = "two"
builtin = "multicast"
`)
	check(t, "limits", c.Plugin("one").Limits, PluginLimits{
		Memory: 8 << 20, ItemFuel: 2_000_000, StartFuel: 3_000_000, IdleFuel: 4_000_000, LogLines: 5, LogBytes: 600, Series: 7, StateBytes: 800, Output: 2,
		CallTime: 200 * time.Millisecond, Traps: 3, Window: 10 * time.Second, MaxAge: time.Hour, Recycle: 4 << 20,
	})
	check(t, "what is not given", c.Plugin("two").Limits, PluginLimits{})
}
