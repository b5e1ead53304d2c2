package config

import (
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// Bounds of the store. A directory of it is 1/24 of the longest retention (architecture page), so max_size below some MiB
// would leave directories that hold next to nothing.
const (
	minRetention    = time.Minute
	maxRetention    = 20 * 365 * 24 * time.Hour
	minMaxSize      = 16 << 20
	minStoreMemory  = 1 << 20
	standardMaxSize = 2 << 30
	standardMemory  = 32 << 20
	standardNames   = 1 << 18
	standardKeep    = 24 * time.Hour
	standardRate    = 60
	standardSync    = time.Second
)

// classes are the durability classes as they stand in the file.
var classes = []string{store.Memory.String(), store.Buffered.String(), store.Durable.String()}

// class reads a durability class.
func (t *table) class(key string, standard store.Class) store.Class {
	switch t.choice(key, "", classes...) {
	case store.Memory.String():
		return store.Memory
	case store.Buffered.String():
		return store.Buffered
	case store.Durable.String():
		return store.Durable
	}
	return standard
}

// readStore reads [store]; t may be nil.
func (l *loader) readStore(t *table) {
	s := &l.cfg.Store
	s.Retention = t.duration("retention", minRetention, maxRetention, standardKeep)
	s.MaxSize = t.size("max_size", minMaxSize, standardMaxSize)
	s.Durability = t.class("durability", store.Buffered)
	s.MaxRatePerName = t.rate("max_rate_per_name", time.Minute, standardRate)
	s.Memory = int(t.size("memory", minStoreMemory, standardMemory))
	s.MaxNames = int(t.whole("max_names", 64, 1<<26, standardNames))
	s.SyncEvery = t.duration("sync_every", 10*time.Millisecond, time.Hour, standardSync)
	if t == nil {
		return
	}
	s.Pos = t.here()
	for _, r := range t.tables("rules") {
		l.readRule(r)
	}
	for _, m := range t.tables("mirror") {
		l.readMirror(m)
	}
	t.end()
}

// readRule reads one of [[store.rules]].
func (l *loader) readRule(t *table) {
	p, ok := t.prefix("prefix")
	r := store.Rule{
		Prefix: p.Name, Length: int(p.Len),
		Retention:      t.duration("retention", minRetention, maxRetention, 0),
		KeepNewest:     t.flag("keep_newest", false),
		Class:          t.class("durability", store.Inherit),
		MaxRatePerName: t.rate("max_rate_per_name", time.Minute, 0),
		NewestMaxAge:   t.duration("newest_max_age", time.Millisecond, 24*time.Hour, 0),
	}
	t.end()
	for _, other := range l.cfg.Store.Rules {
		if ok && other.Prefix == r.Prefix && other.Length == r.Length {
			t.wrong("prefix", "there is a rule for the prefix %q already: make one rule of the two", p)
		}
	}
	if ok && l.neverCached(p) {
		t.wrong("prefix", "names under %q are never cached, as byte 0 of A0 to AF says: remove the rule", p)
	}
	if ok {
		l.cfg.Store.Rules = append(l.cfg.Store.Rules, r)
	}
}

// neverCached tells whether no name under a prefix may be stored.
func (l *loader) neverCached(p name.Prefix) bool {
	if l.hashed {
		return p.Len == name.Size && l.own.NeverCached(p.Name)
	}
	return p.Len > 0 && l.own.NeverCached(p.Name)
}

// readMirror reads one of [[store.mirror]]. What is subscribed to is a name or a pattern, and byte 0 of a pattern is no wildcard
// (P-5), so a mirror of everything cannot be asked for.
func (l *loader) readMirror(t *table) {
	p, ok := t.prefix("prefix")
	t.end()
	switch {
	case !ok:
		return
	case p.Len == 0 && l.hashed:
		t.wrong("prefix", "a hashed network has no wildcards to subscribe to everything with (P-14): write one [[store.mirror]] for each name")
	case p.Len == 0:
		t.wrong("prefix", "a mirror of everything cannot be asked for, as byte 0 of a name is never a wildcard (P-5): write one "+
			"[[store.mirror]] for each byte 0, such as \"01\"")
	case l.neverCached(p):
		t.wrong("prefix", "names under %q are never cached, so there is nothing to mirror: remove the entry", p)
	}
	for _, other := range l.cfg.Store.Mirror {
		if other.ContainsPrefix(p) || p.ContainsPrefix(other) {
			t.wrong("prefix", "the mirror of %q and that of %q overlap: keep the shorter prefix", p, other)
		}
	}
	l.cfg.Store.Mirror = append(l.cfg.Store.Mirror, p)
}
