package streams

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/host"
	"github.com/zmesh/zmesh/sdk/node"
)

// run starts a node from a configuration, as an operator writes it, and gives the address of its first listener.
func run(t *testing.T, text string) (*host.Host, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node.toml")
	text = "[node]\nname = \"" + strings.ReplaceAll(t.Name(), "/", " ") + "\"\nnaming = \"hierarchical\"\n[[network_keys]]\nid = 0\nuse = true\n" +
		"key = \"01020300000000000000000000000000\"\n" + text
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(file) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), cfg, zerolog.Nop(), load)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- h.Run(ctx, func(open []string) {
			_, address, _ := strings.Cut(open[0], " udp://")
			ready <- address
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h, <-ready
}

const listening = "[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\npublish = [\"01\"]\n"

func dial(t *testing.T, to string) *node.Node {
	t.Helper()
	n, err := node.Dial(t.Context(), to, node.Config{Network: network()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// waitFor waits for something that no event tells of.
func waitFor(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
		runtime.Gosched()
	}
}

// heap is what the process holds, in bytes, once all garbage is gone.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a finalizer held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
