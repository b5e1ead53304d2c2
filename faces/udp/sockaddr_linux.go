package udp

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// parseSockaddr reads what recvmmsg wrote: sockaddr_in (family 2, port 2, IP 4) or sockaddr_in6 (family 2, port 2, flow 4,
// IP 16, scope 4). Port and IP are big-endian.
func parseSockaddr(sa *sockaddr) (a address) {
	a.port = uint32(binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:]))
	if sa.Family == unix.AF_INET {
		a.ip[10], a.ip[11] = 0xFF, 0xFF
		*(*[4]byte)(a.ip[12:]) = (*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr
		return a
	}
	a.ip = sa.Addr
	if linkLocal(&a.ip) {
		a.scope = sa.Scope_id
	}
	return a
}

// linkLocal tells fe80::/10.
func linkLocal(ip *[16]byte) bool { return ip[0] == 0xFE && ip[1]&0xC0 == 0x80 }

// putSockaddr writes an address as a socket of that family wants it, and gives its length in bytes.
func putSockaddr(sa *sockaddr, a *address, v6 bool) uint32 {
	*sa = sockaddr{Family: unix.AF_INET6, Addr: a.ip, Scope_id: a.scope}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], uint16(a.port))
	if v6 {
		return uint32(unsafe.Sizeof(*sa))
	}
	sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
	sa4.Family, sa4.Addr = unix.AF_INET, [4]byte(a.ip[12:])
	return uint32(unsafe.Sizeof(*sa4))
}
