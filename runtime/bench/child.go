package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
)

// networkKey is that of the forwarders which the bench starts. It protects nothing: they are on loopback, and gone afterwards.
var networkKey = [wire.KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}

// child is a process of this program that is loaded.
type child struct {
	cmd     *exec.Cmd
	raw     bool
	dir     string
	said    string        // its line
	started time.Duration // from the start of the process until it said that
	exited  chan error
	log     bytes.Buffer // of its errors; to be read once it has exited
}

// gone says that the process has ended by itself and what it said; nil while it runs.
func (c *child) gone() error {
	select {
	case err := <-c.exited:
		c.exited <- err // for end
		return fmt.Errorf("the process has ended by itself: %v: %s", err, strings.TrimSpace(c.log.String()))
	default:
		return nil
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// patience with a process that starts or ends.
const patience = 20 * time.Second

// start runs this program with arguments until it has printed a line, on a CPU of its own if cpu is not -1.
func start(ctx context.Context, exe string, cpu int, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(exe, args...), exited: make(chan error, 1)}
	c.cmd.Stderr = &c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.launch(cpu); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case line <- lines.Text():
			default:
			}
		}
		c.exited <- c.cmd.Wait()
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case c.said = <-line:
		c.started = time.Since(began)
		return c, nil
	case err := <-c.exited:
		return nil, fmt.Errorf("%s ended before it was ready: %v: %s", args[0], err, strings.TrimSpace(c.log.String()))
	case <-late.C:
		err = fmt.Errorf("%s was not ready after %s", args[0], patience)
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.exited
	return nil, err
}

// launch starts the process on one CPU: it inherits it from the thread, and Go's scheduler keeps to it.
func (c *child) launch(cpu int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and it ends with the goroutine if its CPU cannot be given back
		undo, err := pin(cpu)
		if err != nil {
			err = UsageError{err}
		} else {
			err = c.cmd.Start()
			undo()
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func (c *child) end() error {
	err := c.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	kill := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	if died := <-c.exited; died != nil {
		err = errors.Join(err, fmt.Errorf("a child process: %w: %s", died, strings.TrimSpace(c.log.String())))
	}
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// startRaw starts a raw server.
func (t *target) startRaw(ctx context.Context, o *Options, calls string) (err error) {
	t.child, err = start(ctx, o.Exe, o.ServerCPU, "bench", "raw", "--listen", "127.0.0.1:0", "--calls", calls,
		"--answer", fmt.Sprint(t.maker.contentSize()), "--producer", t.producer.local.String())
	if err != nil {
		return err
	}
	t.child.raw = true
	t.at, err = netip.ParseAddrPort(strings.TrimPrefix(t.child.said, "ready "))
	return err
}

// startForwarder starts a forwarder with a configuration of its own.
func (t *target) startForwarder(ctx context.Context, o *Options, strategy, durability string) (err error) {
	dir, err := os.MkdirTemp("", "zmesh-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if t.at, err = freePort(); err != nil {
		return err
	}
	file := filepath.Join(dir, "node.toml")
	text := configuration(o, t.at, t.producer.local, strategy, durability)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if t.child, err = start(ctx, o.Exe, o.ServerCPU, "run", "--config", file); err != nil {
		return err
	}
	t.child.dir = dir
	if t.child.said != "ready" {
		return fmt.Errorf("the forwarder said %q, not ready", t.child.said) // it ends with the target
	}
	return nil
}

// restart ends a forwarder and starts it again on the same folder.
func (t *target) restart(ctx context.Context, o *Options) (err error) {
	dir := t.child.dir
	t.child.dir = ""
	if err := t.child.end(); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if t.child, err = start(ctx, o.Exe, o.ServerCPU, "run", "--config", filepath.Join(dir, "node.toml")); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	t.child.dir = dir
	return nil
}

// freePort is a UDP port of loopback that is free now.
func freePort() (netip.AddrPort, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// configuration is that of a node with a listener, a producer behind a route, and no limit on what a name and a face may store. Everything else is
// as it is in a node whose owner has set nothing.
func configuration(o *Options, listen, producer netip.AddrPort, strategy, durability string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[node]\nname = \"bench\"\nnaming = \"hierarchical\"\nworkers = %d\n", max(o.Workers, 1))
	fmt.Fprintf(&b, "[[network_keys]]\nid = 0\nuse = true\nkey = \"%x\"\n", networkKey)
	// The share of an hour that one face may fill (P-22) must not be what ends the measurement: everything is stored.
	fmt.Fprintf(&b, "[store]\ndurability = %q\nmax_rate_per_name = \"1000000000/min\"\nmax_size = \"1TiB\"\n", durability)
	if durability == "memory" && o.Scenario != Idle {
		// Without a disk the share is one of memory, used up in half a second, and from then on nothing would be stored. This rule is of names
		// that nobody uses.
		fmt.Fprintf(&b, "[[store.rules]]\nprefix = \"fe\"\ndurability = \"buffered\"\n")
	}
	fmt.Fprintf(&b, "[[faces]]\nname = \"lan\"\ntype = \"udp\"\nlisten = %q\npublish = [\"01\"]\n", listen)
	fmt.Fprintf(&b, "[[faces]]\nname = \"up\"\ntype = \"udp\"\nremote = %q\npublish = [\"01\"]\n", producer)
	fmt.Fprintf(&b, "[[routes]]\nprefix = \"01\"\nface = \"up\"\n")
	for i, name := range plugins(o, strategy) {
		fmt.Fprintf(&b, "[[plugins]]\nname = \"plugin-%d\"\nbuiltin = %q\n", i, name)
	}
	if strategy != "" {
		fmt.Fprintf(&b, "[[strategies]]\nprefix = \"\"\nplugin = \"plugin-0\"\n")
	}
	fmt.Fprintf(&b, "[log]\nlevel = \"warn\"\n")
	return b.String()
}

// plugins are those that a forwarder loads: its strategy first.
func plugins(o *Options, strategy string) (list []string) {
	if strategy != "" {
		list = append(list, strategy)
	}
	return append(list, o.extraPlugins...)
}

// drops asks a forwarder of ours what it has dropped, by reason.
func (c *child) drops(ctx context.Context) (map[string]uint64, error) {
	client := admin.NewClient("unix:"+filepath.Join(c.dir, "data", "zmesh.sock"), "", nil)
	var s admin.Status
	if err := client.Get(ctx, "/v1/status", &s); err != nil {
		return nil, err
	}
	return s.Drops, nil
}
