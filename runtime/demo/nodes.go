package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
)

// networkKey is the demo's. It protects nothing: everything runs on loopback and is gone a minute later.
const networkKey = "2b7e151628aed2a6abf7158809cf4f3c"

// forwarder is one of the three: a process, its folder and its addresses.
type forwarder struct {
	name   string
	id     string
	dir    string
	port   int
	exe    string
	cmd    *exec.Cmd
	exited chan error
	log    *os.File
}

// newForwarder finds a port that is free now.
func newForwarder(exe, root, name string, id int) (*forwarder, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	f := &forwarder{name: name, id: fmt.Sprintf("%08x", id), dir: filepath.Join(root, name), exe: exe}
	f.port = conn.LocalAddr().(*net.UDPAddr).Port
	return f, os.MkdirAll(f.dir, 0o700)
}

func (f *forwarder) address() string { return fmt.Sprintf("127.0.0.1:%d", f.port) }

func (f *forwarder) admin() *admin.Client {
	return admin.NewClient("unix:"+filepath.Join(f.dir, "data", "zmesh.sock"), "", nil)
}

// neighbour is a link to another forwarder and what it costs.
type neighbour struct {
	*forwarder
	cost int
}

// configure writes the forwarder's configuration. offers is the cost at which it announces the sensors' prefix, -1 for not at all;
// mirror makes it keep a second copy of everything.
func (f *forwarder) configure(offers int, mirror bool, to ...neighbour) error {
	var b strings.Builder
	fmt.Fprintf(&b, "[node]\nname = %q\nid = 0x%s\nnaming = \"hierarchical\"\nnames = \"../names.toml\"\n\n", f.name, f.id)
	fmt.Fprintf(&b, "[[network_keys]]\nid = 0\nuse = true\nkey = %q\n\n", networkKey)
	b.WriteString("[store]\ndurability = \"buffered\"\nmax_rate_per_name = \"6000/min\"\n\n")
	if mirror {
		b.WriteString("[[store.mirror]]\nprefix = \"01\"\n\n")
	}
	fmt.Fprintf(&b, "[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = %q\npublish = [\"01\"]\n\n", f.address())
	for _, n := range to {
		fmt.Fprintf(&b, "[[faces]]\nname = %q\ntype = \"udp\"\nremote = %q\ncost = %d\nannounce = [\"01\"]\n\n", n.name, n.address(), n.cost)
	}
	if offers >= 0 {
		fmt.Fprintf(&b, "[[announce]]\nprefix = \"01\"\ncost = %d\nlifetime = \"15s\"\n\n", offers)
	}
	b.WriteString("[[plugins]]\nname = \"strategy\"\nbuiltin = \"best-route\"\n\n[[strategies]]\nprefix = \"\"\nplugin = \"strategy\"\n\n")
	b.WriteString("[limits]\nhello = \"500ms\"\n\n[log]\nlevel = \"info\"\nformat = \"json\"\n")
	return os.WriteFile(filepath.Join(f.dir, "node.toml"), []byte(b.String()), 0o600)
}

// startTime bounds how long a forwarder may take until it says that it is ready.
const startTime = 20 * time.Second

// start runs the forwarder until it is ready.
func (f *forwarder) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(f.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.log = log
	f.cmd = exec.Command(f.exe, "run", "--config", filepath.Join(f.dir, "node.toml"))
	f.cmd.Stderr = log
	out, err := f.cmd.StdoutPipe()
	if err == nil {
		err = f.cmd.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", f.name, err), log.Close())
	}
	ready := make(chan bool, 1)
	f.exited = make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == "ready" {
				ready <- true
			}
		}
		f.exited <- f.cmd.Wait()
	}()
	select {
	case <-ready:
		return nil
	case err = <-f.exited:
		f.cmd = nil
		_ = log.Close()
		return fmt.Errorf("%s ended before it was ready: %v: %s", f.name, err, f.lastLog())
	case <-time.After(startTime):
		return fmt.Errorf("%s was not ready after %s: %s", f.name, startTime, f.lastLog())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *forwarder) lastLog() string {
	b, err := os.ReadFile(filepath.Join(f.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// stopTime is how long a forwarder may take to stop before it is killed: a node promises five seconds.
const stopTime = 10 * time.Second

// end sends a signal and waits until the process is gone. It does nothing if there is none.
func (f *forwarder) end(sig syscall.Signal) error {
	if f.cmd == nil {
		return nil
	}
	process := f.cmd.Process
	err := process.Signal(sig)
	kill := time.AfterFunc(stopTime, func() { _ = process.Kill() })
	died := <-f.exited
	kill.Stop()
	f.cmd = nil
	if sig != syscall.SIGKILL {
		err = errors.Join(err, died)
	}
	return errors.Join(err, f.log.Close())
}

// hopsTo waits until the forwarder's best way to the sensors is by a neighbour.
func (f *forwarder) hopsTo(ctx context.Context, neighbour string) error {
	return poll(ctx, fmt.Sprintf("%s has no route by %s", f.name, neighbour), func() (bool, error) {
		var routes []admin.Route
		if err := f.admin().Get(ctx, "/v1/routes", &routes); err != nil {
			return false, err
		}
		best := ""
		cost := uint16(0xFFFF)
		for _, r := range routes {
			if r.Used && r.Face != "" && r.Cost < cost {
				best, cost = r.Face, r.Cost
			}
		}
		return best == neighbour, nil
	})
}

// poll asks until something is so, every 50 ms: there is nothing to wait on in another process.
func poll(ctx context.Context, otherwise string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := is()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New(otherwise), err)
		case <-tick.C:
		}
	}
}
