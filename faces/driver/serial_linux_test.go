package driver

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty opens a pair: the end of the test, and the device of the other.
func pty(t *testing.T) (end *os.File, device string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	end = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { _ = end.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("there are no pseudo terminals here: %v", err)
	}
	return end, fmt.Sprintf("/dev/pts/%d", n)
}

var mode = SerialMode{Baud: 115200, DataBits: 8, Parity: "none", StopBits: 1}

func TestSerial(t *testing.T) {
	n := newNode(t)
	end, device := pty(t)
	l := n.open(LineConfig{Codec: newCodec(), Transport: Serial, Remote: device, Serial: mode})
	n.until("it is up", func() bool { return l.Face().Up() })
	if _, err := end.Write(framed(n.content(1, "one"), n.content(2, "\x00\x03\x11\x13\r\n\x7F"))); err != nil {
		t.Fatal(err)
	}
	n.until("both are taken", func() bool { return l.Face().Counters().InFrames == 2 })
	frame := n.content(3, "\x00\x03\x11\x13\r\n\x7F")
	l.peerOf(0).Send([][]byte{frame, frame})
	_ = end.SetReadDeadline(time.Now().Add(patient))
	got := make([]byte, len(framed(frame, frame)))
	if _, err := io.ReadFull(end, got); err != nil || string(got) != string(framed(frame, frame)) {
		t.Errorf("%x, %v", got, err)
	}
	_ = end.Close() // as when it is unplugged
	n.until("it is down", func() bool { return !l.Face().Up() && l.LastError() != nil })
}

// Nobody reads at the other end, so a write waits: cutting the line does not.
func TestSerialThatTakesNothing(t *testing.T) {
	n := newNode(t)
	_, device := pty(t)
	l := n.open(LineConfig{Codec: newCodec(), Transport: Serial, Remote: device, Serial: mode})
	n.until("it is up", func() bool { return l.Face().Up() })
	frame := n.content(1, strings.Repeat("x", 1000))
	taken := 0
	for range 100 {
		taken += l.peerOf(0).Send([][]byte{frame, frame, frame, frame})
	}
	n.until("the writer waits", func() bool { return l.Counters().Writes > 0 })
	begun := time.Now()
	l.peerOf(0).disconnect()
	n.until("it is down", func() bool { return !l.Face().Up() })
	if d := time.Since(begun); d > patience {
		t.Errorf("it took %s", d)
	}
}

func TestSerialErrors(t *testing.T) {
	for want, device := range map[string]string{"no such device": "/dev/ttyNOTHING", "": os.DevNull} {
		if _, err := openSerial(device, mode); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), device) {
			t.Errorf("%v", err)
		}
	}
}
