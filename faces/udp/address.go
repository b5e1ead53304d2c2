package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the UDP port where an address names none (P-11).
const DefaultPort = 2208

// address is where a datagram comes from or goes to: the IP in 16 bytes, IPv4 as v4-mapped, so that one peer is one key
// whichever kind of socket it is seen on. It has no pointers and no padding: a map hashes it in one go.
type address struct {
	ip    [16]byte
	scope uint32 // interface of a link-local IPv6 address, else 0
	port  uint32
}

// makeAddress takes an IP, its port, and the interface that it came with, which counts for link-local addresses only.
func makeAddress(ip netip.Addr, port uint16, scope uint32) address {
	a := address{ip: ip.As16(), port: uint32(port)}
	if ip.Is6() && ip.IsLinkLocalUnicast() {
		a.scope = scope
	}
	return a
}

// addr is the IP without a zone, IPv4 as such.
func (a *address) addr() netip.Addr { return netip.AddrFrom16(a.ip).Unmap() }

// addrPort is the address for the standard library and for people.
func (a *address) addrPort() netip.AddrPort {
	ip := a.addr()
	if a.scope != 0 {
		ip = ip.WithZone(strconv.FormatUint(uint64(a.scope), 10))
	}
	return netip.AddrPortFrom(ip, uint16(a.port))
}

// String is the address as it stands in errors.
func (a *address) String() string { return a.addrPort().String() }

// hash is keyed, so that nobody can choose addresses that collide; never 0, which would mean no address. salt tells listeners
// apart; withPort tells the peers of one address apart.
func (a *address) hash(seed maphash.Seed, salt uint32, withPort bool) uint64 {
	var b [28]byte
	copy(b[:], a.ip[:])
	binary.BigEndian.PutUint32(b[16:], a.scope)
	if withPort {
		binary.BigEndian.PutUint32(b[20:], a.port)
		binary.BigEndian.PutUint32(b[24:], salt)
	}
	return max(maphash.Bytes(seed, b[:]), 1)
}

// scopes turns the zone of an IPv6 address into the number of its interface. It remembers names, because asking the
// system takes longer than a datagram. It belongs to one goroutine.
type scopes map[string]uint32

func (s scopes) of(zone string) uint32 {
	if zone == "" {
		return 0
	}
	n, known := s[zone]
	if !known {
		n = scopeOf(zone)
		s[zone] = n
	}
	return n
}

func scopeOf(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

// split reads HOST, HOST:PORT, :PORT, an IPv6 address bare or in brackets, or nothing. Without a port it is DefaultPort.
func split(text string) (host string, port uint16, err error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if _, err := netip.ParseAddr(bare); err == nil || !strings.Contains(text, ":") {
		return bare, DefaultPort, nil
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("%w; write HOST:PORT, with an IPv6 address in brackets", err)
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is no number from 0 to 65535", digits)
	}
	return host, uint16(n), nil
}

// Lookup finds the addresses of a host, best first.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

func systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// lookup finds the addresses of a host that is a name or an IP.
func (t *Transport) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	found, err := t.cfg.Lookup(ctx, host)
	if err == nil && len(found) == 0 {
		err = errors.New("no address found")
	}
	if err != nil {
		return nil, fmt.Errorf("host %q: %w", host, err)
	}
	return found, nil
}

// remoteAddresses finds where a remote may be: all addresses of its host.
func (t *Transport) remoteAddresses(ctx context.Context, text string) ([]address, error) {
	host, port, err := split(text)
	if err == nil && host == "" {
		err = errors.New("a remote needs a host")
	}
	if err == nil && port == 0 {
		err = errors.New("a remote needs a port above 0")
	}
	if err != nil {
		return nil, err
	}
	found, err := t.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	list := make([]address, len(found))
	for i, ip := range found {
		if ip.IsUnspecified() || ip.IsMulticast() {
			return nil, fmt.Errorf("%s is no address of a single host", ip)
		}
		list[i] = makeAddress(ip, port, scopeOf(ip.Zone()))
	}
	return list, nil
}
