package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/host"
	"github.com/zmesh/zmesh/sdk/node"
)

const (
	keyText  = "2b7e151628aed2a6abf7158809cf4f3c"
	lanFace  = "[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\npublish = [\"\"]\n"
	inMemory = "[store]\ndurability = \"memory\"\n"
)

// TestMain makes the test binary the program that compiles plugins for nodes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == engine.CompileVerb {
		os.Exit(engine.CompileChild(os.Args[2:], os.Stdin, os.Stderr))
	}
	dir, err := os.MkdirTemp("", "zmesh-host-test-")
	if err != nil {
		panic(err)
	}
	compiled = filepath.Join(dir, "compiled")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// compiled is where worlds that load plugins of the binary keep them compiled, from one test to the next.
var compiled string

// nodeText is a configuration with a key and what else is given.
func nodeText(more ...string) string {
	return "[node]\nname = \"test\"\n[[network_keys]]\nid = 0\nuse = true\nkey = \"" + keyText + "\"\n" + strings.Join(more, "")
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a node in this process and the file that it was started from.
type world struct {
	t    *testing.T
	file string
	host *host.Host
	log  lines

	options  []host.Option
	compiler engine.Compiler
	stop     func() // and wait
}

func newWorld(t *testing.T, text string, options ...host.Option) *world {
	t.Helper()
	w := &world{t: t, options: options, file: filepath.Join(t.TempDir(), "node.toml")}
	if data := filepath.Join(filepath.Dir(w.file), "data"); strings.Contains(text, "builtin = ") {
		if err := errors.Join(os.Mkdir(data, 0o700), os.MkdirAll(compiled, 0o700), os.Symlink(compiled, filepath.Join(data, "compiled"))); err != nil {
			t.Fatal(err)
		}
	}
	w.write(text)
	if err := w.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) write(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load() (*config.Config, error) { return config.Load(w.file) }

func (w *world) start(ctx context.Context) error {
	w.t.Helper()
	w.stop = func() {}
	cfg, err := w.load()
	if err != nil {
		w.t.Fatal(err)
	}
	w.compiler.Command = []string{os.Args[0], engine.CompileVerb}
	h, err := host.New(ctx, cfg, zerolog.New(&w.log).Level(zerolog.TraceLevel), w.load, append(w.options, host.CompileWith(&w.compiler))...)
	if err != nil {
		return err
	}
	w.host = h
	run, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan bool), make(chan error, 1)
	go func() { ended <- h.Run(run, func([]string) { close(ready) }) }()
	<-ready
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return nil
}

// address is where a listener is.
func (w *world) address(face string) string {
	w.t.Helper()
	for _, a := range w.host.Addresses() {
		if to, ok := strings.CutPrefix(a, face+" udp://"); ok {
			return to
		}
	}
	w.t.Fatalf("no listener %q", face)
	return ""
}

// device opens a link to the node.
func (w *world) device() *node.Node {
	w.t.Helper()
	n, err := node.Dial(w.t.Context(), w.address("lan"), node.Config{Network: wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&testKey}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = n.Close() })
	return n
}

// publish sends contents from one number to another, and returns when the node has them all.
func publish(t *testing.T, n *node.Node, uri string, from, to uint32) {
	t.Helper()
	s, err := node.NewStream(name.Hash(uri), node.None, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for seq := from; seq <= to; seq++ {
		if err := n.Publish(s, seq, fmt.Appendf(nil, "%s %d", uri, seq)); err != nil {
			t.Fatal(err)
		}
		if c := ask(t, n, uri, wire.SeqNewest); c.Seq != seq {
			t.Fatalf("the newest of %s is %d, want %d", uri, c.Seq, seq)
		}
	}
}

func ask(t *testing.T, n *node.Node, uri string, seq uint32) node.Content {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := n.Get(ctx, name.Hash(uri), seq)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// busyPort is a UDP port that is in use until the test ends.
func busyPort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// freePort is one that nobody has now.
func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func listener(name string, port int, more string) string {
	return fmt.Sprintf("[[faces]]\nname = %q\ntype = \"udp\"\nlisten = \"127.0.0.1:%d\"\n%s", name, port, more)
}

func remote(name string, port int, more string) string {
	return fmt.Sprintf("[[faces]]\nname = %q\ntype = \"udp\"\nremote = \"127.0.0.1:%d\"\n%s", name, port, more)
}

func route(prefix, face string, cost int) string {
	return fmt.Sprintf("[[routes]]\nprefix = %q\nface = %q\ncost = %d\n", prefix, face, cost)
}
