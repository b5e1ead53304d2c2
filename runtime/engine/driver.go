package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Driver is what a driver declares of the links that it is for: the table [driver] of plugin.toml.
type Driver struct {
	MTU        int      `json:"mtu"`                  // longest frame in bytes
	Transports []string `json:"transports"`           // stream, datagram: what it can work on
	Broadcast  bool     `json:"broadcast,omitempty"`  // more than one node may hear what is sent
	LinkBlock  int      `json:"link_block,omitempty"` // bytes that the host keeps for each link
	PeerBlock  int      `json:"peer_block,omitempty"` // and for each peer

	// HalfDuplex keeps the host from sending while something comes in, and for Turnaround ms after it.
	HalfDuplex bool `json:"half_duplex,omitempty"`
	Turnaround int  `json:"turnaround,omitempty"`

	// DutyCycle is the part of the time that may be spent sending; 0: all of it. BitRate is the medium's, in bits a second: how
	// long a byte takes.
	DutyCycle float64 `json:"duty_cycle,omitempty"`
	BitRate   int     `json:"bit_rate,omitempty"`
}

// Transports of a driver.
const (
	TransportStream   = "stream"
	TransportDatagram = "datagram"
)

// Bounds of a driver's declaration. The smallest MTU has room for an Interest: header, payload of 8 bytes, MAC.
const (
	minDriverMTU  = 23
	maxDriverMTU  = 1280
	maxTurnaround = 10_000
)

// checkDriver holds the declaration against the kind.
func (m *Manifest) checkDriver() error {
	switch {
	case m.Kind != "driver" && m.Driver != nil:
		return fmt.Errorf("[driver] is for drivers, and it is a %s", m.Kind)
	case m.Kind != "driver":
		return nil
	case m.Driver == nil:
		return errors.New("a driver needs the table [driver]: mtu, transports, …")
	}
	if err := m.Driver.check(); err != nil {
		return fmt.Errorf("[driver] %w", err)
	}
	return nil
}

func (d *Driver) check() error {
	for i, t := range d.Transports {
		if t != TransportStream && t != TransportDatagram || slices.Contains(d.Transports[:i], t) {
			return fmt.Errorf("transports: %q: want stream, datagram or both", t)
		}
	}
	block := func(n, limit int) bool { return n >= 0 && n <= limit && n%8 == 0 }
	switch {
	case d.MTU < minDriverMTU || d.MTU > maxDriverMTU:
		return fmt.Errorf("mtu %d: want %d to %d bytes", d.MTU, minDriverMTU, maxDriverMTU)
	case len(d.Transports) == 0:
		return errors.New("transports is empty: want stream, datagram or both")
	case !block(d.LinkBlock, abi.MaxLinkBlock):
		return fmt.Errorf("link_block %d: want a multiple of 8 up to %d bytes", d.LinkBlock, abi.MaxLinkBlock)
	case !block(d.PeerBlock, abi.MaxPeerBlock):
		return fmt.Errorf("peer_block %d: want a multiple of 8 up to %d bytes", d.PeerBlock, abi.MaxPeerBlock)
	case d.Turnaround < 0 || d.Turnaround > maxTurnaround || d.Turnaround > 0 && !d.HalfDuplex:
		return fmt.Errorf("turnaround %d: want 0 to %d ms, with half_duplex only", d.Turnaround, maxTurnaround)
	case !(d.DutyCycle >= 0 && d.DutyCycle <= 1):
		return fmt.Errorf("duty_cycle %v: want a part of the time, 0 to 1, such as 0.01", d.DutyCycle)
	case d.BitRate < 0 || d.BitRate == 0 && d.DutyCycle > 0:
		return fmt.Errorf("bit_rate %d: want bits a second; duty_cycle needs it", d.BitRate)
	}
	return nil
}
