package udp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/zmesh/zmesh/core/wire"
)

func init() { simplest = func(c *conn) (engine, error) { return newMmsg(c, false) } }

// wired is an engine on a loopback socket of its own.
type wired struct {
	*mmsg
	at  address
	got chan [][]byte // each burst that it took
}

func (k *kit) wired(offload bool) *wired {
	k.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		k.Fatal(err)
	}
	_ = udp.SetReadBuffer(DefaultBuffer)
	w := &wired{at: keyOf(udp.LocalAddr().(*net.UDPAddr).AddrPort()), got: make(chan [][]byte, 1<<12)}
	c, err := newConn(udp, false, &counters{})
	if err == nil {
		w.mmsg, err = newMmsg(c, offload)
	}
	if err != nil {
		k.Fatal(err)
	}
	done := make(chan error)
	go func() {
		done <- w.serve(func(b *burst) {
			var own [][]byte
			for _, raw := range b.raw {
				own = append(own, bytes.Clone(raw))
			}
			w.got <- own
		})
	}()
	k.Cleanup(func() {
		w.stop()
		if err := <-done; err != nil {
			k.Error(err)
		}
		if err := w.conn.close(); err != nil {
			k.Error(err)
		}
	})
	return w
}

// takes waits for n datagrams.
func (w *wired) takes(tb testing.TB, n int) (list [][]byte) {
	tb.Helper()
	late := time.After(patient)
	for len(list) < n {
		select {
		case part := <-w.got:
			if len(part) > piece {
				tb.Errorf("%d datagrams in one piece", len(part))
			}
			list = append(list, part...)
		case <-late:
			tb.Fatalf("%d datagrams of %d", len(list), n)
		}
	}
	return list
}

func needOffload(t *testing.T, w *wired) {
	t.Helper()
	if !w.offload.Load() || w.slot != coalesced {
		t.Skip("this kernel has no UDP segmentation offload")
	}
}

// sized makes frames of these lengths, each with other bytes. They lie side by side, as in an outbox, but for a gap behind each fifth.
func sized(lengths ...int) (list [][]byte) {
	room := len(lengths)
	for _, n := range lengths {
		room += n
	}
	all := make([]byte, 0, room)
	for i, n := range lengths {
		start := len(all)
		all = append(all, bytes.Repeat([]byte{byte(i + 1)}, n)...)
		list = append(list, all[start:len(all):len(all)])
		if i%5 == 4 {
			all = append(all, 0)
		}
	}
	return list
}

// What lies side by side is one piece for the kernel, and a message has as many frames as before.
func TestFramesSideBySideAreOnePiece(t *testing.T) {
	w := newKit(t, false).wired(true)
	o := newOutgoing(w.mmsg)
	o.list = []parcel{{to: &w.at, frames: sized(same(23, 20)...)}, {to: &w.at, frames: sized(30)}}
	if n := o.fill(true); n != 2 || o.count[0] != 23 || o.msgs[0].hdr.Iovlen != 5 || o.count[1] != 1 || o.msgs[1].hdr.Iovlen != 1 {
		t.Errorf("%d messages; %d frames in %d pieces, %d in %d", n, o.count[0], o.msgs[0].hdr.Iovlen, o.count[1], o.msgs[1].hdr.Iovlen)
	}
	if v := o.iov[:6]; v[0].Len != 100 || v[4].Len != 60 || v[5].Len != 30 {
		t.Errorf("pieces of %d, %d and %d bytes", v[0].Len, v[4].Len, v[5].Len)
	}
}

func same(n, size int) (lengths []int) { return slices.Repeat([]int{size}, n) }

// Whatever lengths frames have, each arrives as it was sent, in order: from an engine with offload and one without, to one with
// and one without.
func TestOffloadKeepsFrames(t *testing.T) {
	k := newKit(t, false)
	sides := []*wired{k.wired(true), k.wired(false)}
	needOffload(t, sides[0])
	for name, lengths := range map[string][]int{
		"equal": same(64, 115), "one": {115}, "shorter at the end": append(same(10, 115), 40), "shorter between": {100, 100, 40, 100, 100},
		"longer": {40, 100, 100, 1280}, "more than a message": same(200, 64), "longest": same(130, wire.MaxFrame),
		"more than a piece": same(2000, 20), "each another": {20, 21, 22, 23, 24, 23, 22, 21},
	} {
		for i, from := range sides {
			for j, to := range sides {
				t.Run(fmt.Sprintf("%s/%d-%d", name, i, j), func(t *testing.T) {
					frames := sized(lengths...)
					list := []parcel{{to: &to.at, frames: frames}}
					from.send(list)
					if list[0].sent != len(frames) || list[0].err != nil {
						t.Fatalf("%d taken of %d: %v", list[0].sent, len(frames), list[0].err)
					}
					for n, got := range to.takes(t, len(frames)) {
						if !bytes.Equal(got, frames[n]) {
							t.Fatalf("frame %d has %d bytes, %d were sent", n, len(got), len(frames[n]))
						}
					}
				})
			}
		}
	}
	if c := sides[0].count.read(); c.Segments == 0 || c.Joined == 0 || c.NoOffload != 0 || c.SendCalls > c.Segments/20 {
		t.Errorf("%+v", c)
	}
	if c := sides[1].count.read(); c.Segments != 0 || c.Joined != 0 {
		t.Errorf("without offload: %+v", c)
	}
}

// A socket that the kernel does not segment for (here because it makes no checksums, EINVAL) loses nothing: it falls back, once.
func TestOffloadFallsBack(t *testing.T) {
	k := newKit(t, false)
	from, to := k.wired(true), k.wired(true)
	needOffload(t, from)
	if err := from.control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) }); err != nil {
		t.Fatal(err)
	}
	frames := sized(append(same(100, 90), same(5, 30)...)...)
	for range 2 {
		list := []parcel{{to: &to.at, frames: frames[:50]}, {to: &to.at, frames: frames[50:]}}
		from.send(list)
		if list[0].sent != 50 || list[1].sent != 55 || list[0].err != nil || list[1].err != nil {
			t.Fatalf("%+v", list)
		}
		for n, got := range to.takes(t, len(frames)) {
			if !bytes.Equal(got, frames[n]) {
				t.Fatalf("frame %d came as %x", n, got)
			}
		}
	}
	if c := from.count.read(); c.NoOffload != 1 || c.Segments != 0 || from.offload.Load() {
		t.Errorf("%+v", c)
	}
}

// An address that cannot be reached costs its own frames alone, and not the offload of the others.
func TestBadAddressAmongOthers(t *testing.T) {
	k := newKit(t, false)
	for _, offload := range []bool{true, false} {
		from, to := k.wired(offload), k.wired(true)
		nowhere := keyOf(netip.MustParseAddrPort("192.0.2.1:2208"))
		frames := sized(same(20, 50)...)
		list := []parcel{{to: &to.at, frames: frames}, {to: &nowhere, frames: frames}, {to: &to.at, frames: frames[:3]}}
		from.send(list)
		if list[0].sent != 20 || list[1].sent != 0 || list[2].sent != 3 || list[1].err == nil || list[2].err != nil {
			t.Errorf("offload %v: %+v", offload, list)
		}
		to.takes(t, 23)
		if from.offload.Load() != offload {
			t.Error("a bad address switched the offload")
		}
	}
}

func TestRunOfFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := sized(rapid.SliceOfN(rapid.IntRange(15, 18), 1, 200).Draw(t, "lengths")...)
		n := run(frames)
		if n < 1 || n > maxSegments || n > len(frames) {
			t.Fatalf("%d of %d", n, len(frames))
		}
		for i, raw := range frames[:n] {
			if i < n-1 && len(raw) != len(frames[0]) || len(raw) > len(frames[0]) {
				t.Fatalf("frame %d of %d has %d bytes, the first %d", i, n, len(raw), len(frames[0]))
			}
		}
		if n < len(frames) && n < maxSegments && len(frames[n-1]) == len(frames[0]) && len(frames[n]) <= len(frames[0]) {
			t.Fatalf("a run of %d leaves out one that fits", n)
		}
	})
	if n := run(sized(same(64, 1280)...)); n*1280 > maxMessage {
		t.Errorf("a message of %d bytes", n*1280)
	}
}
