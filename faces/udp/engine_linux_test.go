package udp

import (
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestSockaddr(t *testing.T) {
	for in, size := range map[string]uint32{
		"127.0.0.1:2208": unix.SizeofSockaddrInet4, "[2001:db8::1]:1": unix.SizeofSockaddrInet6, "[fe80::1%3]:65535": unix.SizeofSockaddrInet6,
	} {
		want := keyOf(netip.MustParseAddrPort(in))
		for _, v6 := range []bool{true, size == unix.SizeofSockaddrInet6} {
			sa := sockaddr{Flowinfo: 1, Scope_id: 77}
			n := putSockaddr(&sa, &want, v6)
			if got := parseSockaddr(&sa); got != want || !v6 && n != size || v6 && n != unix.SizeofSockaddrInet6 {
				t.Errorf("%s in %d bytes came back as %s", in, n, &got)
			}
		}
	}
}

// The kernel walks the array in steps of its struct mmsghdr: a message, its length, padding to a pointer.
func TestSizeOfMmsghdr(t *testing.T) {
	const word = unsafe.Sizeof(uintptr(0))
	want := (unsafe.Sizeof(unix.Msghdr{}) + 4 + word - 1) / word * word
	if got := unsafe.Sizeof(mmsghdr{}); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}
