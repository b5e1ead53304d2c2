package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine/wasmtest"
	"github.com/zmesh/zmesh/runtime/host"
)

// What a manifest says is held against the configuration before anything runs: each mistake with its line.
func TestCheckPlugins(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, manifest map[string]any, change func(*wasmtest.Guest)) string {
		g := &wasmtest.Guest{Manifest: manifest}
		if change != nil {
			change(g)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, g.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	setting := map[string]any{"config": map[string]any{"deep.rate": map[string]any{"type": "int", "max": 9}}}
	good := file("good.wasm", setting, nil)
	driver := file("driver.wasm", map[string]any{"kind": "driver", "driver": map[string]any{"mtu": 100, "transports": []string{"datagram"}}}, nil)
	if err := os.WriteFile(filepath.Join(dir, "text.wasm"), []byte("no module"), 0o600); err != nil {
		t.Fatal(err)
	}
	entry := func(path, more string) string {
		return fmt.Sprintf("[[plugins]]\nname = \"p\"\npath = %q\n%s", path, more)
	}
	const strategy = "[[strategies]]\nprefix = \"\"\nplugin = \"p\"\n"
	line := driven("line", "p", "tcp", "remote = \"127.0.0.1:9\"\n")
	for name, c := range map[string]struct {
		text string
		want []string // of each mistake; none: it is good
		at   string   // the line of the first
	}{
		"good":          {entry(good, "[plugins.config.deep]\nrate = 3\n") + strategy, nil, ""},
		"no module":     {entry(filepath.Join(dir, "text.wasm"), ""), []string{"text.wasm: this is not a WebAssembly module"}, "[[plugins]]"},
		"another kind":  {entry(driver, "") + strategy, []string{`plugin "p": it is a driver by its manifest, and this takes a strategy`}, "[[strategies]]"},
		"no driver":     {entry(good, "") + line, []string{"it is a strategy by its manifest, and this takes a driver"}, "[[faces]]"},
		"transport":     {entry(driver, "") + line, []string{"its driver works on datagrams only"}, "[[faces]]"},
		"no decoder":    {entry(good, "") + "[[streams]]\nuri = \"a/b\"\ndecoder = \"p\"\n", []string{"and this takes a decoder"}, "[[streams]]"},
		"not known":     {entry(good, "[plugins.config]\nspeed = 1\n"), []string{"config key speed: the plugin has no such setting; it has deep.rate"}, "speed = 1"},
		"too much":      {entry(good, "[plugins.config.deep]\nrate = 10\n"), []string{"config key deep.rate: 10 is more than 9"}, "rate = 10"},
		"capability":    {entry(file("asks.wasm", map[string]any{"capabilities": []string{"log"}}, nil), ""), []string{`the capability "log", which is not granted`}, "[[plugins]]"},
		"version":       {entry(file("new.wasm", nil, func(g *wasmtest.Guest) { g.Major = "7" }), ""), []string{"the host is too old"}, "[[plugins]]"},
		"memory":        {entry(file("big.wasm", nil, func(g *wasmtest.Guest) { g.MinPages = 64 }), "[plugins.limits]\nmemory = \"1MiB\"\n"), []string{"starts with 4096 KiB of memory and may have 1024"}, "[[plugins]]"},
		"signature":     {entry(good, "") + "[plugins_trust]\nkeys = [\"ed25519:" + strings.Repeat("00", 32) + "\"]\n", []string{"asks for a signature"}, "[[plugins]]"},
		"vectors":       {entry(file("v.wasm", map[string]any{"vectors": []any{1}}, nil), ""), []string{"vectors: they are for decoders"}, "[[plugins]]"},
		"more than one": {entry(good, "[plugins.config]\nspeed = 1\n[plugins.config.deep]\nrate = \"x\"\n"), []string{"speed", "x is not a whole number"}, "speed = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "node.toml")
			text := nodeText(inMemory, c.text)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			err = host.CheckPlugins(cfg)
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			list, ok := err.(config.Mistakes)
			if !ok || len(list) != len(c.want) {
				t.Fatalf("%v, want %d mistakes", err, len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(list[i].What, want) {
					t.Errorf("%s, want %q in it", list[i].What, want)
				}
			}
			if at := strings.Count(text[:strings.Index(text, c.at)], "\n") + 1; list[0].Line != at || list[0].File != path {
				t.Errorf("%v, want line %d", list[0], at)
			}
		})
	}
}
