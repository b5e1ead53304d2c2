package config

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// full loads the example of the surface page with the files that it names.
func full(t *testing.T) (c *Config, dir string) {
	t.Helper()
	dir = folder(t)
	copyTree(t, "testdata/full", dir)
	put(t, filepath.Join(dir, "plugins", "adaptive.wasm"), "\x00asm\x01\x00\x00\x00", 0o644)
	c, err := Load(filepath.Join(dir, "full.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func hexPrefix(t *testing.T, digits string) name.Prefix {
	t.Helper()
	n, err := name.ParseHex((digits + "000000000000")[:12])
	if err != nil {
		t.Fatal(err)
	}
	return name.MakePrefix(n, uint8(len(digits)/2))
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// Every setting of the surface page is accepted and means what the page says.
func TestSurfacePage(t *testing.T) {
	c, dir := full(t)
	check(t, "name", c.Node.Name, "gw-1")
	check(t, "id", c.Node.ID, 1)
	check(t, "net_id", c.Node.NetID, 0x00010010)
	check(t, "data_dir", c.Node.DataDir, filepath.Join(dir, "data"))
	check(t, "naming", c.Own().Naming(), name.Hierarchical)
	check(t, "keys", len(c.Networks[0].Keys), 1)
	check(t, "retention", c.Store.Retention, 24*time.Hour)
	check(t, "max_size", c.Store.MaxSize, 2<<30)
	check(t, "durability", c.Store.Durability, store.Buffered)
	p := hexPrefix(t, "0102")
	check(t, "rules", c.Store.Rules, []store.Rule{{
		Prefix: p.Name, Length: 2, Retention: time.Hour, KeepNewest: true, Class: store.Durable, MaxRatePerName: 600,
	}})
	check(t, "mirror", c.Store.Mirror, []name.Prefix{hexPrefix(t, "01")})
	check(t, "wildcard", c.Limits.Wildcard, 0xFF)
	check(t, "limits", c.Limits.Limits, forward.DefaultLimits())
	check(t, "admin", c.Admin.Network+":"+c.Admin.Address, "unix:"+filepath.Join(dir, "data", "zmesh.sock"))
	check(t, "metrics", c.Metrics.Listen, "127.0.0.1:9208")
	check(t, "log", c.Log, Log{Level: "info", Format: "auto"})
	check(t, "signers", len(c.Trust.Keys), 1)
}

func TestSurfacePageFacesAndRoutes(t *testing.T) {
	c, dir := full(t)
	lan, up := c.Face("lan"), c.Face("up")
	check(t, "listen", lan.Listen, "127.0.0.1:2208")
	check(t, "publish", lan.Publish, []name.Prefix{hexPrefix(t, "01")})
	check(t, "ask", lan.Ask, []name.Prefix{{}})
	check(t, "ask is given", lan.AskSome, true)
	check(t, "announce", len(lan.Announce), 0)
	check(t, "hello and clock of a listener", [2]bool{lan.Hello, lan.Clock}, [2]bool{false, true})
	check(t, "hello and clock of a remote", [2]bool{up.Hello, up.Clock}, [2]bool{true, false})
	check(t, "net_id_field", up.NetIDField, true)
	check(t, "route", c.Routes[0].Face, "up")
	check(t, "route's prefix", c.Routes[0].Prefix, hexPrefix(t, "01"))
	check(t, "lifetime", c.Announce[0].Lifetime, 10*time.Minute)
	check(t, "path", c.Plugins[0].Path, filepath.Join(dir, "plugins", "adaptive.wasm"))
	check(t, "grant", c.Plugins[0].Grant, []string{"log", "metrics"})
	check(t, "config", c.Plugins[0].Config, map[string]any{"probe_interval": "10s"})
	check(t, "strategy", c.Strategies[0].Plugin, "adaptive")
}

func TestSurfacePageStreams(t *testing.T) {
	c, _ := full(t)
	check(t, "streams", len(c.Streams), 2)
	n, err := c.Name("location/hq/floor/2/room/merkur/event/temp")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Stream(n)
	check(t, "name", n.String(), "010203010000")
	check(t, "key", s.Key.Len(), 16)
	check(t, "iv", s.IV, [9]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8})
	check(t, "encryption", s.Encryption, AES128CTR)
	check(t, "decoder", s.Decoder, "milesight")
	check(t, "port", s.Port, 85)
	check(t, "key of the streams file", c.Streams[1].Key.Len(), 32)
	check(t, "its name comes from the table", c.Streams[1].Name.String(), "010103010000")
}

// What a configuration of four lines means.
func TestDefaults(t *testing.T) {
	c := mustLoad(t, head)
	check(t, "id", c.Node.ID, idOf("gw"))
	check(t, "workers", c.Node.Workers, 1)
	check(t, "naming", c.Own().Naming(), name.Hashed)
	check(t, "retention", c.Store.Retention, 24*time.Hour)
	check(t, "durability", c.Store.Durability, store.Buffered)
	check(t, "rate", c.Store.MaxRatePerName, 60)
	check(t, "limits", c.Limits.Limits, forward.DefaultLimits())
	check(t, "admin", c.Admin.Network, "unix")
	check(t, "admin's file", filepath.Base(c.Admin.Address), "zmesh.sock")
	check(t, "metrics", c.Metrics.Listen, "")
	check(t, "trust", c.Trust, nil)
	check(t, "level", c.Log.Level, "info")
}
