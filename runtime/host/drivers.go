package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/faces/driver"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
)

// openDriver opens a face whose framing is a plugin's: a listener or a remote.
func (h *Host) openDriver(ctx context.Context, cfg *config.Config, f *config.Face) error {
	codec, err := h.plugins.Driver(ctx, f.Driver.Plugin)
	if err != nil {
		return fmt.Errorf("face %q: %w", f.Name, err)
	}
	lc := driver.LineConfig{
		Codec: codec, Transport: f.Driver.Transport, Listen: f.Listen, Remote: f.Remote, Serial: f.Driver.Serial, Face: cfg.FaceConfig(f),
	}
	if f.Driver.Transport == driver.Serial {
		lc.Remote = f.Driver.Device
	}
	if f.Listen != "" {
		traits := codec.Traits()
		lc.Listener = &forward.Listener{Policy: cfg.FaceConfig(f)}
		traits.Limit(&lc.Listener.Policy)
	}
	line, err := h.drivers.Open(ctx, lc)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines[f.Name] = line
	if lc.Listener != nil {
		address := string(line.Transport()) + "://" + line.Address()
		h.listeners[f.Name] = &listening{name: f.Name, address: address, peer: address, close: func() error { return h.closeLine(f.Name) }, listener: lc.Listener}
		return nil
	}
	h.faces[f.Name] = line.Face()
	if h.held[f.Name] {
		h.node.Hold(h.now(), line.Face().ID(), true)
	}
	return nil
}

// closeLine closes the line of a face, if it has one. Nothing may be locked: it waits for goroutines that call the node.
func (h *Host) closeLine(name string) error {
	h.mu.Lock()
	line := h.lines[name]
	delete(h.lines, name)
	h.mu.Unlock()
	if line == nil {
		return nil
	}
	return line.Close()
}

// closeLines closes them all.
func (h *Host) closeLines() (err error) {
	h.mu.Lock()
	names := slices.Sorted(maps.Keys(h.lines))
	h.mu.Unlock()
	for _, name := range names {
		err = errors.Join(err, h.closeLine(name))
	}
	return err
}

// lineEvent is called by lines, from any goroutine.
func (h *Host) lineEvent(e driver.Event) {
	ev := h.log.Info()
	if e.Err != nil {
		ev = h.log.Warn().Err(e.Err)
	}
	ev.Str("face", e.Line).Msg("line " + e.What)
}

// faceConfig is the configuration of a face within what its driver allows, if it has one.
func (h *Host) faceConfig(cfg *config.Config, f *config.Face) forward.FaceConfig {
	c := cfg.FaceConfig(f)
	if line := h.line(f.Name); line != nil {
		traits := line.Traits()
		traits.Limit(&c)
	}
	return c
}

func (h *Host) line(name string) *driver.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lines[name]
}

// driverOf is what the line of a face tells; nil if it has none.
func (h *Host) driverOf(name string) *admin.DriverFace {
	line, f := h.line(name), h.cfg.Load().Face(name)
	if line == nil || f == nil {
		return nil
	}
	c := line.Counters()
	d := &admin.DriverFace{
		Plugin: f.Driver.Plugin, Transport: string(line.Transport()), Peers: line.Peers(), Calls: c.DriverCalls, Reads: c.Reads, Writes: c.Writes,
		LineIn: c.ReadBytes, LineOut: c.WriteBytes, Connects: c.Connects, Refused: c.Refused, HalfDuplex: c.HalfDuplex, DutyCycle: c.DutyCycle,
	}
	if err := line.LastError(); err != nil {
		d.Problem = err.Error()
	}
	return d
}
