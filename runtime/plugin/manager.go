package plugin

import (
	"context"
	"errors"
	"time"

	"github.com/zmesh/zmesh/core/forward"
)

// Options are what a Manager needs of the host.
type Options struct {
	Workers  int                              // of the node; at least 1
	Pool     int                              // instances of each decoder; 0: 2
	CacheDir string                           // compile cache, made with mode 0700; empty: none
	Log      func(plugin, level, text string) // lines of plugins that are granted "log", and what a dying one says; nil: dropped
	Journal  func(Entry)                      // called with each step, not under a lock; nil: only kept in memory
	Now      func() time.Time                 // for the journal; nil: time.Now
}

// Entry is one step in the life of a plugin, for the journal.
type Entry struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin"`
	What   string    `json:"what"`   // loaded | swapped | unloaded | refused | trapped | replaced
	Digest string    `json:"digest"` // of the version that it is about
	From   string    `json:"from"`   // swap: digest of the version before
	Why    string    `json:"why"`
}

// Manager holds the plugins of a node by name. All methods are safe for concurrent use.
type Manager struct{ opt Options }

var errLater = errors.New("plugin: not there yet")

// NewManager makes an empty one.
func NewManager(opt Options) (*Manager, error) { return &Manager{opt: opt}, nil }

// Load brings up a plugin under a new name.
func (m *Manager) Load(ctx context.Context, spec Spec) error { return errLater }

// Swap replaces the version of a plugin by another while it runs. Grants and configuration stay. On an error the old
// version has never stopped.
func (m *Manager) Swap(ctx context.Context, name string, src Source) error { return errLater }

// Unload takes a plugin out. Strategies handed out by it decide as best-route from then on.
func (m *Manager) Unload(name string) error { return errLater }

// List gives the plugins by name.
func (m *Manager) List() []Status { return nil }

// Journal gives the steps kept in memory, oldest first.
func (m *Manager) Journal() []Entry { return nil }

// Strategy gives a worker's strategy, for forward.Config.Strategy. It stays the same over swaps. "best-route" that is not
// loaded is the core's own.
func (m *Manager) Strategy(name string, worker int) (forward.Strategy, error) { return nil, errLater }

// Decode runs a decoder by name. It blocks while all instances of its pool are at work.
func (m *Manager) Decode(ctx context.Context, name string, req Request) (Decoded, error) {
	return Decoded{}, errLater
}

// Close ends all plugins and waits for what works for them.
func (m *Manager) Close() error { return nil }
