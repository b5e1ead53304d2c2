//go:build !linux

package bench

import (
	"errors"
	"net/netip"
	"runtime"
	"time"
)

var errLinux = errors.New("bench needs Linux: it is made of recvmmsg, sendmmsg and the CPU clocks of other processes")

// of a socket that there is not
const (
	batch       = 64
	maxSegments = 64
)

type sockaddr struct{}

type datagram struct {
	b    []byte
	from *sockaddr
}

// socket cannot be made here.
type socket struct {
	local netip.AddrPort
	full  uint64
}

func openSocket(netip.AddrPort, offload) (*socket, error) { return nil, errLinux }
func rawSockaddr(netip.AddrPort) *sockaddr                { return nil }
func rawFrom(netip.Addr, netip.AddrPort) *sockaddr        { return nil }
func (*socket) close()                                    {}
func (*socket) connect(netip.AddrPort) error              { return errLinux }
func (*socket) receive(bool) ([]datagram, error)          { return nil, errLinux }
func (*socket) plainReceive() ([]datagram, error)         { return nil, errLinux }
func (*socket) plainSend(*sockaddr, []byte)               {}
func (*socket) queue(*sockaddr, []byte)                   {}
func (*socket) overflow() uint64                          { return 0 }
func (*socket) flush()                                    {}
func await([]*socket, time.Duration)                      {}
func cpuOf(int) (time.Duration, error)                    { return 0, errLinux }
func threadCPU() time.Duration                            { return 0 }
func memoryOf(int) (uint64, error)                        { return 0, errLinux }
func pin(int) (undo func(), err error)                    { return nil, errLinux }
func pinAll(int) (undo func(), err error)                 { return nil, errLinux }
func sharpTimers()                                        {}
func kernel() string                                      { return runtime.GOOS }
