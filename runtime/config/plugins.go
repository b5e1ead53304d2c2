package config

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// Kind is what a plugin is.
type Kind string

// The kinds of the plugin contract.
const (
	KindStrategy Kind = "strategy"
	KindDriver   Kind = "driver"
	KindDecoder  Kind = "decoder"
)

// Builtin is a plugin that ships in the binary.
type Builtin struct {
	Name string
	Kind Kind
}

// shipped are the plugins of the folder plugins. Whoever adds one there adds it here.
var shipped = []Builtin{
	{"best-route", KindStrategy},
	{"multicast", KindStrategy},
	{"adaptive", KindStrategy},
	{"self-learning", KindStrategy},
	{"weak-signal", KindStrategy},
	{"slip", KindDriver},
	{"cobs", KindDriver},
	{"milesight", KindDecoder},
	{"cayenne-lpp", KindDecoder},
	{"bthome-v2", KindDecoder},
	{"senml", KindDecoder},
	{"mbus", KindDecoder},
}

// kindOfBuiltin gives the kind of a plugin that ships; empty if none has the name.
func kindOfBuiltin(name string) Kind {
	for _, b := range shipped {
		if b.Name == name {
			return b.Kind
		}
	}
	return ""
}

func builtinNames(kinds ...Kind) (list []string) {
	for _, b := range shipped {
		if len(kinds) == 0 || slices.Contains(kinds, b.Kind) {
			list = append(list, b.Name)
		}
	}
	return list
}

// capabilities are what a plugin can be granted (plugin contract, 8).
var capabilities = []string{"clock", "random", "log", "metrics", "state"}

// Capabilities gives what can be granted.
func Capabilities() []string { return slices.Clone(capabilities) }

// readPlugins reads [[plugins]].
func (l *loader) readPlugins(tables []*table) {
	for _, t := range tables {
		p := Plugin{Name: t.label("name"), Pos: t.here()}
		l.readModule(t, &p)
		l.readGrant(t, &p)
		readConfig(t, &p)
		readPluginLimits(t.table("limits"), &p.Limits)
		t.end()
		switch other := l.cfg.Plugin(p.Name); {
		case p.Name == BestRoute:
			t.wrong("name", "%q is the strategy that is built into the core: choose another name for this plugin", p.Name)
		case other != nil && p.Name != "":
			t.wrong("name", "plugin %q is there already, at line %d: give each a name of its own", p.Name, other.Pos.Line)
		}
		l.cfg.Plugins = append(l.cfg.Plugins, p)
	}
}

// readModule reads path or builtin.
func (l *loader) readModule(t *table, p *Plugin) {
	switch {
	case t.has("path") && t.has("builtin"):
		t.wrong("builtin", "plugin %q has both path and builtin: keep one", p.Name)
		return
	case !t.has("path") && !t.has("builtin"):
		t.wrongAt(t.at, "plugin %q has neither path nor builtin: add the module's file, or the name of one that ships (%s)",
			p.Name, enumerate(builtinNames()))
		return
	}
	if text, ok := typed[string](t, "path", "the path of a module in quotes"); ok {
		p.Path = l.resolve(text)
		l.isFile(p.Path, t.position("path"), "the module of plugin "+p.Name)
	}
	p.Builtin = t.choice("builtin", "", builtinNames()...)
}

// readGrant reads the capabilities.
func (l *loader) readGrant(t *table, p *Plugin) {
	texts, _ := t.texts("grant")
	for _, text := range texts {
		switch {
		case !slices.Contains(capabilities, text.text):
			t.wrongAt(text.at, "there is no capability %q: %s", text.text, meant(text.text, Capabilities()))
		case slices.Contains(p.Grant, text.text):
			t.wrongAt(text.at, "%q is granted twice: keep one", text.text)
		default:
			p.Grant = append(p.Grant, text.text)
		}
	}
}

// readConfig keeps a plugin's own table, with the place of each key for whoever checks it against the schema.
func readConfig(t *table, p *Plugin) {
	p.Config, p.Keys = map[string]any{}, map[string]Position{}
	c := t.table("config")
	if c == nil {
		return
	}
	p.Config = evened(c.m).(map[string]any)
	for at, line := range t.file.lines {
		if strings.HasPrefix(string(at), string(c.at)+"\x00") {
			p.Keys[at.dotted(c.at)] = Position{File: t.file.path, Line: line}
		}
	}
}

// numbers of [plugins.limits]. A table, so that Diff says the same as what is read.
func (l *PluginLimits) numbers() []pluginLimit {
	const fuel = 10_000_000_000
	return []pluginLimit{
		{"item_fuel", &l.ItemFuel, nil, 1000, fuel},
		{"start_fuel", &l.StartFuel, nil, 1000, fuel},
		{"idle_fuel", &l.IdleFuel, nil, 1000, fuel},
		{"log_lines", nil, &l.LogLines, 1, 10_000},
		{"log_bytes", nil, &l.LogBytes, 64, 10 << 20},
		{"metric_series", nil, &l.Series, 1, 10_000},
		{"state_bytes", nil, &l.StateBytes, 64, 64 << 20},
		{"output", nil, &l.Output, 1, 1024},
		{"traps", nil, &l.Traps, 1, 10_000},
	}
}

// times of [plugins.limits].
func (l *PluginLimits) times() []timeLimit {
	return []timeLimit{
		{"call_time", &l.CallTime, 50 * time.Millisecond, time.Minute},
		{"trap_window", &l.Window, time.Second, 24 * time.Hour},
		{"max_age", &l.MaxAge, time.Minute, 365 * 24 * time.Hour},
	}
}

// pluginLimit is a setting of [plugins.limits] that is a number: long or short.
type pluginLimit struct {
	key       string
	long      *int64
	short     *int
	low, high int64
}

func (s *pluginLimit) value() int64 {
	if s.short != nil {
		return int64(*s.short)
	}
	return *s.long
}

// readPluginLimits reads [plugins.limits]; t may be nil. What is not given stays zero: the default is the kind's, and that of a module
// in a file is only known when it loads.
func readPluginLimits(t *table, l *PluginLimits) {
	l.Memory = t.size("memory", 1<<16, 0)
	if l.Memory > maxPluginMemory {
		t.wrong("memory", `memory is more than a plugin can have: write at most "%s"`, sizeText(maxPluginMemory))
	}
	for _, s := range l.numbers() {
		n := t.whole(s.key, s.low, s.high, 0)
		if s.short != nil {
			*s.short = int(n)
		} else {
			*s.long = n
		}
	}
	for _, s := range l.times() {
		*s.v = t.duration(s.key, s.low, s.high, 0)
	}
	l.Recycle = t.size("recycle_memory", 1<<16, 0)
	t.end()
}

// maxPluginMemory is 1 GiB: a WebAssembly memory could have four.
const maxPluginMemory = 1 << 30

// evened copies a value of the library and makes arrays of tables lists like all others.
func evened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = evened(e)
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = evened(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = evened(e)
		}
		return out
	}
	return v
}

// pluginNames gives the names in the file; those that are known to be of another kind are left out.
func (l *loader) pluginNames(kind Kind) (list []string) {
	for i := range l.cfg.Plugins {
		p := &l.cfg.Plugins[i]
		if k := kindOfBuiltin(p.Builtin); p.Name != "" && (k == "" || k == kind) && !slices.Contains(list, p.Name) {
			list = append(list, p.Name)
		}
	}
	return list
}

// pluginOf reads the name of a plugin of a kind. others are names that are right without an entry in the file. What kind a
// module in a file is is in its manifest, which is read when it loads.
func (l *loader) pluginOf(t *table, key string, kind Kind, others ...string) string {
	text, ok := typed[string](t, key, "the name of a plugin in quotes")
	if !ok || slices.Contains(others, text) && l.cfg.Plugin(text) == nil {
		return text
	}
	known := append(l.pluginNames(kind), others...)
	switch p := l.cfg.Plugin(text); {
	case p == nil && kindOfBuiltin(text) == kind:
		t.wrong(key, `plugin %q ships, but is not in [[plugins]]: add it there with builtin = %q`, text, text)
	case p == nil:
		t.wrong(key, "there is no plugin %q: %s", text, meant(text, known))
	case !slices.Contains(known, text):
		t.wrong(key, "plugin %q is a %s and no %s: %s", text, kindOfBuiltin(p.Builtin), kind, meant("", known))
	}
	return text
}

// readStrategies reads [[strategies]].
func (l *loader) readStrategies(tables []*table) {
	var seen []name.Prefix
	for _, t := range tables {
		p, ok := t.prefix("prefix")
		s := Strategy{Prefix: p, Plugin: l.pluginOf(t, "plugin", KindStrategy, BestRoute), Pos: t.here()}
		if !t.has("plugin") {
			t.wrongAt(t.at, "%s has no plugin: add the name of one of [[plugins]], or %q", t.title, BestRoute)
		}
		t.end()
		if ok && slices.Contains(seen, p) {
			t.wrong("prefix", "the prefix %q has a strategy already: keep one", p)
		}
		if ok {
			seen = append(seen, p)
			l.cfg.Strategies = append(l.cfg.Strategies, s)
		}
	}
}

// readTrust reads [plugins_trust]; t may be nil.
func (l *loader) readTrust(t *table) {
	if t == nil {
		return
	}
	trust := &Trust{}
	texts, _ := t.texts("keys")
	for _, text := range texts {
		key, ok := parseTrusted(text.text)
		if !ok {
			t.wrongAt(text.at, `this is no signer's key: write "ed25519:" and the 32 bytes of the public key in base64 or hex`)
			continue
		}
		trust.Keys = append(trust.Keys, key)
	}
	if len(texts) == 0 {
		t.wrongAt(t.at, "[plugins_trust] has no keys, so no module could load: add the keys of signers, or remove the table")
	}
	t.end()
	l.cfg.Trust = trust
}

// parseTrusted reads "ed25519:" and base64 (standard, with or without padding) or 64 hex digits.
func parseTrusted(text string) (ed25519.PublicKey, bool) {
	digits, ok := strings.CutPrefix(text, "ed25519:")
	if !ok {
		return nil, false
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(digits, "="))
	}
	return b, err == nil && len(b) == ed25519.PublicKeySize
}
