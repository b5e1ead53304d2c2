package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/engine"
)

// asZmesh makes the test binary behave as zmesh: so that processes can be killed, and nothing has to be built first.
const asZmesh = "ZMESH_TEST_AS_ZMESH"

func TestMain(m *testing.M) {
	if os.Getenv(asZmesh) != "" || len(os.Args) > 1 && os.Args[1] == engine.CompileVerb {
		main()
	}
	code := m.Run()
	_ = os.RemoveAll(shippedDir)
	os.Exit(code)
}

var shippedDir string // what shipped has made

// shipped is the program as make builds it. Under the race detector each start of a decoder takes a second, and so does that of a
// process; a test's binary has more in it besides.
var shipped = sync.OnceValues(func() (program string, err error) {
	if shippedDir, err = os.MkdirTemp("", "zmesh-test-"); err != nil {
		return "", err
	}
	program = filepath.Join(shippedDir, "zmesh")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// program is shipped for a test.
func program(t *testing.T) string {
	t.Helper()
	p, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// asShipped runs a command of the shipped program to its end.
func asShipped(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// result is what a command printed and how it ended.
type result struct {
	out, err string
	code     int
}

// zmesh runs a command to its end, in this process: one built for the race detector takes a second to start. Nodes are processes
// of their own.
func zmesh(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	code := execute(ctx, args, strings.NewReader(stdin), &out, &errOut)
	if strings.Contains(errOut.String(), "goroutine ") {
		t.Errorf("zmesh %s: a stack trace:\n%s", strings.Join(args, " "), errOut.String())
	}
	return result{out.String(), errOut.String(), code}
}

// good fails unless the command ended with 0 and printed something with each of the texts.
func (r result) good(t *testing.T, texts ...string) {
	t.Helper()
	if r.code != exitDone {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out, text) {
			t.Errorf("printed %q, want %q in it", r.out, text)
		}
	}
}

// bad fails unless the command ended with a code, and one plain sentence with each of the texts.
func (r result) bad(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d: %s%s", r.code, code, r.out, r.err)
	}
	if !strings.HasPrefix(r.err, "zmesh: ") {
		t.Errorf("said %q", r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.err, text) {
			t.Errorf("said %q, want %q in it", r.err, text)
		}
	}
}

// running is a node in a process of its own.
type running struct {
	t      *testing.T
	config string
	cmd    *exec.Cmd
	exited chan error
	log    *bytes.Buffer

	program string // empty: this one, and commands are run in this process
}

// freePort is a UDP port of loopback that is free now.
func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

const (
	topic  = "location/hq/floor/2/room/merkur/event/temp"
	header = `
[[network_keys]]
id = 0
use = true
key = "2b7e151628aed2a6abf7158809cf4f3c"
`
	streams = `
[[streams]]
uri = "` + topic + `"
encryption = "chacha20-poly1305"
key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
iv = "a0a1a2a3a4a5a6a7a8"
`
)

// nodeConfig is a node with one listener, a durable store and the topic's stream.
func nodeConfig(port int, more string) string {
	return fmt.Sprintf("[node]\nname = \"test\"\n%s\n[store]\ndurability = \"durable\"\nmax_rate_per_name = \"1000000/min\"\n"+
		"[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = \"127.0.0.1:%d\"\npublish = [\"\"]\n%s%s", header, port, streams, more)
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newNode writes a configuration and starts it.
func newNode(t *testing.T, more string) *running {
	t.Helper()
	dir := t.TempDir()
	n := &running{t: t, config: writeFile(t, filepath.Join(dir, "node.toml"), nodeConfig(freePort(t), more))}
	n.start()
	t.Cleanup(func() { n.end(syscall.SIGTERM) })
	return n
}

// start runs the node until it says that it is ready.
func (n *running) start() {
	n.t.Helper()
	n.cmd = exec.Command(cmp.Or(n.program, os.Args[0]), "run", "--config", n.config)
	n.cmd.Env = append(os.Environ(), asZmesh+"=1")
	n.log = &bytes.Buffer{}
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.exited = make(chan error, 1)
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			ready <- lines.Text() == "ready"
		}
		n.exited <- n.cmd.Wait()
	}()
	select {
	case ok := <-ready:
		if !ok {
			n.t.Fatal("the node said something other than ready")
		}
	case err := <-n.exited:
		n.cmd = nil
		n.t.Fatalf("the node ended: %v: %s", err, n.log)
	case <-time.After(30 * time.Second):
		n.t.Fatalf("the node is not ready: %s", n.log)
	}
}

// end sends a signal and waits until the node is gone.
func (n *running) end(sig syscall.Signal) {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(sig)
	err := <-n.exited
	n.cmd = nil
	if sig == syscall.SIGTERM && err != nil {
		n.t.Errorf("the node ended with %v: %s", err, n.log)
	}
}

// do runs a verb with the node's configuration.
func (n *running) do(args ...string) result {
	n.t.Helper()
	args = append(args, "--config", n.config)
	if n.program != "" {
		return asShipped(n.t, args...)
	}
	return zmesh(n.t, "", args...)
}
