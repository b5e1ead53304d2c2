package host_test

import (
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// pty opens a pseudo terminal: its own end, and the device of the other.
func pty(t *testing.T) (end *os.File, device string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	end = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { _ = end.Close() })
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if e := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil || e != nil {
		t.Skipf("there are no pseudo terminals here: %v, %v", err, e)
	}
	return end, fmt.Sprintf("/dev/pts/%d", n)
}

// Two nodes with a serial line between them: what one writes into its port comes out of the other's.
func TestSerialLine(t *testing.T) {
	needsPlugin(t, "slip")
	a, portA := pty(t)
	b, portB := pty(t)
	go func() { _, _ = io.Copy(a, b) }()
	go func() { _, _ = io.Copy(b, a) }()
	serial := func(name, device, more string) string {
		return driven(name, "slip", "serial", fmt.Sprintf("device = %q\nbaud = 57600\n%s", device, more))
	}
	far := newWorld(t, nodeText(inMemory, unlimited, lanFace, withPlugin("slip"), serial("line", portA, "")))
	near := newWorld(t, nodeText(inMemory, unlimited, lanFace, withPlugin("slip"), serial("up", portB, ""), route("", "up", 1)))
	until(t, "both ends are up", func() bool { return near.faceNamed("up").Up && far.faceNamed("line").Up })
	publish(t, far.device(), "a", 1, 3)
	for seq := uint32(1); seq <= 3; seq++ {
		if got := ask(t, near.device(), "a", seq); string(got.Payload) != fmt.Sprintf("a %d", seq) {
			t.Errorf("number %d is %q", seq, got.Payload)
		}
	}
	if up := near.faceNamed("up"); up.Driver.Transport != "serial" || up.InFrames < 3 || up.Peer != "serial://"+portB {
		t.Errorf("%+v %+v", up, up.Driver)
	}
}
