package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/engine"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// loadTime bounds how long a plugin may take to come up.
const loadTime = 60 * time.Second

// loadPlugins brings up the plugins of the configuration.
func (h *Host) loadPlugins(ctx context.Context) (err error) {
	cfg := h.cfg.Load()
	cache, journal := filepath.Join(cfg.Node.DataDir, "compiled"), journalFile(cfg)
	if h.lock == nil { // a read-only file system: they are compiled each time, and the journal is in memory
		cache, journal = "", ""
	}
	h.plugins, err = plugin.NewManager(plugin.Options{
		Workers: cfg.Node.Workers, CacheDir: cache, Compiler: h.compiler, JournalFile: journal,
		Log: func(name, level, text string) { h.log.Info().Str("plugin", name).Str("level", level).Msg(text) },
		Journal: func(e plugin.Entry) {
			h.log.Info().Str("plugin", e.Plugin).Str("who", e.Who).Str("digest", e.Digest).Str("from", e.From).Str("why", e.Why).Msg("plugin " + e.What)
			if _, err := h.plugins.JournalTrouble(); err != nil {
				h.log.Error().Err(err).Msg("the plugins' journal cannot be written to disk: the last steps are in memory only")
			}
		},
	})
	if err != nil {
		return err
	}
	for i := range cfg.Plugins {
		if err := h.trusted(cfg.Plugins[i].Builtin != ""); err != nil {
			return fmt.Errorf("%s: plugin %q: %w", cfg.Plugins[i].Pos, cfg.Plugins[i].Name, err)
		}
	}
	var all sync.WaitGroup
	errs, at := make([]error, len(cfg.Plugins)), make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range cfg.Plugins { // none needs another to come up
		all.Go(func() {
			at <- struct{}{}
			errs[i] = h.loadPlugin(ctx, &cfg.Plugins[i])
			<-at
		})
	}
	all.Wait()
	if len(cfg.Plugins) > 0 {
		debug.FreeOSMemory() // to read and meter them took some 10 MiB each, which the node has no use for
	}
	return errors.Join(errs...)
}

// trusted refuses modules from outside of the binary where [plugins_trust] asks for signatures: this version cannot check any,
// and to load one unchecked would be the opposite of what was asked for.
func (h *Host) trusted(builtin bool) error { return trusted(h.cfg.Load(), builtin) }

func trusted(cfg *config.Config, builtin bool) error {
	if builtin || cfg.Trust == nil {
		return nil
	}
	return errors.New("[plugins_trust] asks for a signature, which this version cannot check: use a built-in plugin, or remove the table")
}

func (h *Host) loadPlugin(ctx context.Context, p *config.Plugin) error {
	ctx, cancel := context.WithTimeout(plugin.As(ctx, "configuration"), loadTime)
	defer cancel()
	if err := h.plugins.Load(ctx, specOf(p)); err != nil {
		return fmt.Errorf("%s: plugin %q: %w", p.Pos, p.Name, err)
	}
	return nil
}

// specOf is what a plugin of the configuration is loaded with.
func specOf(p *config.Plugin) plugin.Spec {
	return plugin.Spec{Name: p.Name, Source: plugin.Source{Path: p.Path, Builtin: p.Builtin}, Grants: p.Grant, Config: p.Config, Limits: limitsOf(&p.Limits)}
}

// limitsOf are the limits of a configuration as the plugins' package has them.
func limitsOf(l *config.PluginLimits) plugin.Limits {
	return plugin.Limits{
		Memory: uint64(l.Memory), ItemFuel: l.ItemFuel, StartFuel: l.StartFuel, IdleFuel: l.IdleFuel, Output: l.Output,
		AccountLimits: engine.AccountLimits{LogLines: l.LogLines, LogBytes: l.LogBytes, Series: l.Series, StateBytes: l.StateBytes},
		CallTime:      l.CallTime, Traps: l.Traps, Window: l.Window, MaxAge: l.MaxAge, Recycle: uint64(l.Recycle),
	}
}

// Plugins implements admin.Node.
func (h *Host) Plugins() []admin.Plugin {
	list := []admin.Plugin{}
	for _, s := range h.plugins.List() {
		list = append(list, admin.Plugin{
			Name: s.Name, Kind: string(s.Kind), Version: s.Version, Digest: s.Digest, State: string(s.State), Source: s.Source,
			Instances: s.Instances, Calls: s.Calls, Traps: s.Traps, Limits: s.Limits, StateKeys: s.StateKeys, StateBytes: s.StateBytes,
			Reused: s.Reused, Degraded: s.Degraded, Swaps: s.Swaps, Returned: s.Returned, Recycled: s.Recycled, Skipped: s.Skipped, Previous: s.Previous,
			Fuel: admin.Spread(s.Fuel), Time: admin.Spread(s.Time), LastTrap: (*admin.PluginTrap)(s.LastTrap),
		})
	}
	return list
}

// journalFile is where the journal of a node's plugins is.
func journalFile(cfg *config.Config) string {
	return filepath.Join(cfg.Node.DataDir, "plugins", "journal.jsonl")
}

// PluginJournal implements admin.Node.
func (h *Host) PluginJournal() []admin.PluginEntry { return entries(h.plugins.Journal()) }

func entries(journal []plugin.Entry) []admin.PluginEntry {
	list := []admin.PluginEntry{}
	for _, e := range journal {
		list = append(list, admin.PluginEntry(e))
	}
	return list
}

// journalStatus is how the journal stands.
func (h *Host) journalStatus() (j admin.PluginJournal) {
	lost, err := h.plugins.JournalTrouble()
	if j.Lost = lost; err != nil {
		j.Problem = err.Error()
	}
	return j
}

// RollbackPlugin implements admin.Node.
func (h *Host) RollbackPlugin(p admin.PluginName) error {
	ctx, cancel := context.WithTimeout(plugin.As(h.ctx, operator), loadTime)
	defer cancel()
	return h.plugins.Rollback(ctx, p.Name)
}

// UnloadPlugin implements admin.Node. What something else in the node is configured with stays.
func (h *Host) UnloadPlugin(p admin.PluginName) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	for _, e := range h.choice.entries {
		if e.plugin == p.Name {
			return fmt.Errorf("plugin %q is the strategy of %q: set another one first", p.Name, e.prefix)
		}
	}
	for _, f := range h.cfg.Load().Faces {
		if f.Driver.Plugin == p.Name {
			return fmt.Errorf("plugin %q drives face %q: take that out of the configuration first", p.Name, f.Name)
		}
	}
	return h.plugins.Unload(plugin.As(h.ctx, operator), p.Name)
}

// operator is who acts through the admin address.
const operator = "operator"

// sourceOf is where the module of a request comes from: its bytes, or a plugin of this binary.
func sourceOf(l admin.PluginLoad) plugin.Source {
	if name, ok := strings.CutPrefix(l.From, "builtin:"); ok && len(l.Module) == 0 {
		return plugin.Source{Builtin: name}
	}
	return plugin.Source{Bytes: l.Module, Was: l.From}
}

// LoadPlugin implements admin.Node: it holds until the next start.
func (h *Host) LoadPlugin(l admin.PluginLoad) error {
	src := sourceOf(l)
	if err := h.trusted(src.Builtin != ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(plugin.As(h.ctx, operator), loadTime)
	defer cancel()
	defer h.tidySoon()
	return h.plugins.Load(ctx, plugin.Spec{Name: l.Name, Source: src, Grants: l.Grant, Config: l.Config})
}

// tidyAfter is how long after the last module was loaded the memory is given back that this took: to read and meter one takes some 10 MiB, and
// to look for what is free some ms, which a swap after the other should not each time.
const tidyAfter = time.Second

// tidySoon gives memory back that nothing uses, once for all that is loaded in a row.
func (h *Host) tidySoon() { h.tidy.Reset(tidyAfter) }

// SwapPlugin implements admin.Node.
func (h *Host) SwapPlugin(l admin.PluginLoad) error {
	src := sourceOf(l)
	if err := h.trusted(src.Builtin != ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(plugin.As(h.ctx, operator), loadTime)
	defer cancel()
	defer h.tidySoon()
	return h.plugins.Swap(ctx, l.Name, src)
}
