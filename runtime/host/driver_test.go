package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/node"
)

// needsPlugin skips where the binary was built without make.
func needsPlugin(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := plugin.Inspect(plugin.Source{Builtin: name}); errors.Is(err, plugin.ErrBuiltin) {
			if os.Getenv("ZMESH_PLUGINS") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

const unlimited = "max_rate_per_name = \"60000/min\"\n"

func withPlugin(name string) string {
	return fmt.Sprintf("[[plugins]]\nname = %q\nbuiltin = %q\n", name, name)
}

// driven is a face with a driver.
func driven(name, plugin, transport, more string) string {
	return fmt.Sprintf("[[faces]]\nname = %q\ntype = \"driver\"\nplugin = %q\ntransport = %q\n%s", name, plugin, transport, more)
}

// until waits for something that the test cannot be told of.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// faceNamed finds what a node says of a configured face.
func (w *world) faceNamed(name string) (f admin.Face) {
	for _, f := range w.host.Faces() {
		if f.Name == name && !f.OnDemand {
			return f
		}
	}
	w.t.Fatalf("no face %q", name)
	return f
}

// where is what listens under a name.
func (w *world) where(face string) string {
	w.t.Helper()
	for _, a := range w.host.Addresses() {
		if to, ok := strings.CutPrefix(a, face+" "); ok {
			_, address, _ := strings.Cut(to, "://")
			return address
		}
	}
	w.t.Fatalf("no listener %q", face)
	return ""
}

// pair is two nodes with a line between them: far listens and has the producer, near leads there and has the consumer.
func pair(t *testing.T, driver, transport string, via func(address string) string) (near, far *world) {
	t.Helper()
	needsPlugin(t, driver)
	listen := "127.0.0.1:0"
	if transport == "unix" {
		listen = filepath.Join(t.TempDir(), "line.sock")
	}
	far = newWorld(t, nodeText(inMemory, unlimited, lanFace, withPlugin(driver), driven("line", driver, transport, fmt.Sprintf("listen = %q\n", listen))))
	address := far.where("line")
	if via != nil {
		address = via(address)
	}
	near = newWorld(t, nodeText(inMemory, unlimited, lanFace, withPlugin(driver), driven("up", driver, transport, fmt.Sprintf("remote = %q\n", address)), route("", "up", 1)))
	until(t, "the line is up", func() bool { return near.faceNamed("up").Up })
	return near, far
}

// dropsNothing makes sure that nothing was dropped but hellos before the line was up.
func dropsNothing(t *testing.T, faces ...admin.Face) {
	t.Helper()
	for _, f := range faces {
		for why, n := range f.Drops {
			if why != "face_down" {
				t.Errorf("face %s has dropped %d: %s", f.Name, n, why)
			}
		}
	}
}

// published waits until a node has a content: who asks before, over a line, finds no route.
func published(t *testing.T, w *world, uri string, seq uint32) {
	t.Helper()
	asker := w.device()
	until(t, "it is published", func() bool {
		_, err := asker.Get(t.Context(), name.Hash(uri), seq)
		return err == nil
	})
}

// Two nodes exchange Interests and Contents over a line with a driver, whatever it is made of.
func TestDriverFaces(t *testing.T) {
	for _, c := range []struct{ driver, transport string }{{"slip", "tcp"}, {"cobs", "unix"}, {"slip", "udp"}} {
		t.Run(c.driver+" by "+c.transport, func(t *testing.T) {
			near, far := pair(t, c.driver, c.transport, nil)
			publish(t, far.device(), "a", 1, 5)
			published(t, far, "a", 5)
			for seq := uint32(1); seq <= 5; seq++ {
				if got := ask(t, near.device(), "a", seq); string(got.Payload) != fmt.Sprintf("a %d", seq) {
					t.Errorf("number %d is %q", seq, got.Payload)
				}
			}
			up, line := near.faceNamed("up"), far.faceNamed("line")
			if up.InFrames < 5 || up.Driver == nil || up.Driver.Plugin != c.driver || up.Driver.Transport != c.transport || up.Driver.Connects != 1 || up.Driver.Problem != "" {
				t.Errorf("%+v %+v", up, up.Driver)
			}
			if !line.Listener || line.InFrames < 5 || line.Driver == nil || line.Driver.Peers != 1 || line.Driver.LineIn == 0 {
				t.Errorf("%+v %+v", line, line.Driver)
			}
			dropsNothing(t, up, line)
		})
	}
}

// damaging is a relay between two nodes, which may damage what passes.
type damaging struct {
	to    string
	spoil atomic.Pointer[func(b []byte) []byte] // of what comes from the listener's side
}

func (d *damaging) listen(t *testing.T, to string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	d.to = to
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", d.to)
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go d.back(near, far)
		}
	}()
	return ln.Addr().String()
}

func (d *damaging) back(near, far net.Conn) {
	defer near.Close()
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		if err != nil {
			return
		}
		b := buf[:n]
		if spoil := d.spoil.Load(); spoil != nil {
			b = (*spoil)(b)
		}
		if _, err := near.Write(b); err != nil {
			return
		}
	}
}

// Bytes are flipped and garbage is put on the line: every damaged frame is dropped and counted, and the stream goes on.
func TestDamagedLine(t *testing.T) {
	d := &damaging{}
	near, far := pair(t, "slip", "tcp", func(address string) string { return d.listen(t, address) })
	sensor := far.device()
	publish(t, sensor, "a", 1, 1)
	ask(t, near.device(), "a", 1)
	count := 0
	spoil := func(b []byte) []byte {
		count++
		switch count % 3 {
		case 0:
			b[len(b)/2] ^= 0x10
		case 1:
			return append([]byte("\xC0\xDBgarbage\xC0\xDB\xDC\xC0noise that looks like a frame\xC0"), b...)
		}
		return b
	}
	d.spoil.Store(&spoil)
	device := near.device()
	publish(t, sensor, "a", 2, 40)
	for seq := uint32(2); seq <= 40; seq++ {
		until(t, fmt.Sprintf("number %d is there", seq), func() bool { return tryAsk(t, device, "a", seq) })
	}
	drops := near.faceNamed("up").Drops
	if drops["framing"] < 5 || drops["short"]+drops["bad_mac"]+drops["version"]+drops["unknown_key"] < 5 {
		t.Errorf("dropped %v", drops)
	}
	if up := near.faceNamed("up"); up.Driver.Connects != 1 || !up.Up {
		t.Errorf("%+v", up.Driver)
	}
}

// tryAsk asks once, as who asks again and again does.
func tryAsk(t *testing.T, n *node.Node, uri string, seq uint32) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := n.Get(ctx, name.Hash(uri), seq)
	return err == nil
}

// While frames flow, the driver is swapped on both ends, again and again: none is lost, and nothing is dropped.
func TestSwapUnderALine(t *testing.T) {
	near, far := pair(t, "slip", "tcp", nil)
	device := far.device()
	publish(t, device, "a", 1, 1)
	published(t, far, "a", 1)
	sub, err := near.device().Subscribe(name.Hash("a"), wire.SeqFirst, false)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	const rounds = 8
	swapped := make(chan error, 1)
	begin := make(chan bool)
	go func() {
		defer close(swapped)
		<-begin
		for range rounds {
			for _, w := range []*world{near, far} {
				if err := w.host.SwapPlugin(admin.PluginLoad{Name: "slip", From: "builtin:slip"}); err != nil {
					swapped <- err
					return
				}
			}
		}
	}()
	for seq, busy := uint32(1), true; busy; seq++ {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		u, err := sub.Next(ctx)
		cancel()
		if err != nil || u.Lost || u.Content.Seq != seq {
			t.Fatalf("%+v, %v, want number %d", u, err, seq)
		}
		if seq == 3 { // number 2 was pushed, so nobody asks for the subscription again
			close(begin)
		}
		select {
		case err := <-swapped:
			if busy = false; err != nil {
				t.Fatal(err)
			}
		default:
			publish(t, device, "a", seq+1, seq+1)
		}
	}
	dropsNothing(t, near.faceNamed("up"), far.faceNamed("line"))
	if n := near.faceNamed("up").Driver.Connects; n != 1 {
		t.Errorf("connected %d times", n)
	}
}

// A peer that goes away and comes back: the face is down meanwhile, says why, and is up again.
func TestLineComesBack(t *testing.T) {
	near, far := pair(t, "slip", "tcp", nil)
	publish(t, far.device(), "a", 1, 1)
	ask(t, near.device(), "a", 1)
	address := far.where("line")
	far.stop()
	until(t, "the face is down", func() bool { return !near.faceNamed("up").Up })
	until(t, "it says why", func() bool { return strings.Contains(near.faceNamed("up").Driver.Problem, "refused") })
	far = newWorld(t, nodeText(inMemory, unlimited, lanFace, withPlugin("slip"), driven("line", "slip", "tcp", fmt.Sprintf("listen = %q\n", address))))
	until(t, "the face is up", func() bool { return near.faceNamed("up").Up })
	publish(t, far.device(), "b", 1, 1)
	ask(t, near.device(), "b", 1)
}

// The operator's switch, and a reload, treat a face with a driver like any other.
func TestDriverFaceIsAFace(t *testing.T) {
	near, far := pair(t, "slip", "tcp", nil)
	text, err := os.ReadFile(near.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := near.host.SetFace("up", false); err != nil || near.faceNamed("up").Up {
		t.Errorf("%v, up %v", err, near.faceNamed("up").Up)
	}
	if err := near.host.SetFace("up", true); err != nil || !near.faceNamed("up").Up {
		t.Errorf("%v, up %v", err, near.faceNamed("up").Up)
	}
	sensor := far.device()
	publish(t, sensor, "a", 1, 1)
	ask(t, near.device(), "a", 1)
	counted := near.faceNamed("up").InFrames
	near.reloads(string(text) + driven("more", "slip", "tcp", "listen = \"127.0.0.1:0\"\n"))
	near.where("more")
	near.reloads(strings.Replace(string(text), `transport = "tcp"`, "mtu = 200\ntransport = \"tcp\"", 1))
	until(t, "the face with another policy is up", func() bool { return near.faceNamed("up").Up })
	publish(t, sensor, "a", 2, 2)
	ask(t, near.device(), "a", 2)
	for _, a := range near.host.Addresses() {
		if strings.HasPrefix(a, "more ") {
			t.Error(a)
		}
	}
	if counted == 0 {
		t.Error("nothing came by the line")
	}
	near.refuses(strings.Replace(string(text), `"slip"`, `"other"`, -1), "other")
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	near.refuses(string(text)+driven("two", "slip", "tcp", fmt.Sprintf("listen = %q\n", busy.Addr())), "two", "address already in use")
	near.reloads(nodeText(inMemory, unlimited, lanFace, withPlugin("slip")))
	for _, f := range near.host.Faces() {
		if f.Driver != nil {
			t.Errorf("%+v", f)
		}
	}
	until(t, "the other end has noticed", func() bool { return far.faceNamed("line").Driver.Peers == 0 })
}
