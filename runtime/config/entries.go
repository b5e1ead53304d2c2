package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// place names an entry of a list, or a table, whose key is empty.
type place struct{ section, key string }

// entry is what Diff compares. Entries of one section have the same settings in the same order.
type entry struct {
	place
	settings []setting
}

// setting is a value as a text.
type setting struct {
	name, value string
	hidden      bool // never shown: it is a key, or may hold one, or is too long
	tell        bool // said of a new entry
}

func say(name string, value any) setting {
	return setting{name: name, value: fmt.Sprint(value), tell: true}
}
func plain(name string, value any) setting { return setting{name: name, value: fmt.Sprint(value)} }

func hide(name string, value any) setting {
	return setting{name: name, value: fmt.Sprintf("%#v", value), hidden: true}
}

func secret(name string, s Secret) setting {
	return setting{name: name, value: string(s.bytes), hidden: true}
}

func span(name string, d time.Duration) setting { return plain(name, durationText(d)) }

// prefixes lists prefixes as they stand in the file.
func prefixes(key string, list []name.Prefix) setting {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = fmt.Sprintf("%q", p)
	}
	return plain(key, "["+strings.Join(texts, ", ")+"]")
}

func quoted(p name.Prefix) string { return fmt.Sprintf("%q", p) }

// entries takes a configuration apart.
func entries(c *Config) []entry {
	return slices.Concat(
		c.nodeEntries(), c.storeEntries(), c.faceEntries(), c.routeEntries(), c.pluginEntries(), c.streamEntries(), c.tableEntries(),
	)
}

func (c *Config) nodeEntries() []entry {
	n, own := &c.Node, &c.Networks[0]
	list := []entry{{place{"node", ""}, []setting{
		plain("name", n.Name), plain("id", fmt.Sprintf("%#08x", n.ID)), plain("net_id", fmt.Sprintf("%#08x", n.NetID)),
		plain("naming", own.Settings.Naming), hide("names", levelsOf(own)), plain("data_dir", n.DataDir), plain("workers", n.Workers),
		plain("management", own.Settings.Management), plain("never_cached", own.Settings.NeverCached), plain("onboarding", n.Onboarding),
	}}}
	for i := range c.Networks {
		list = append(list, c.Networks[i].entries(i > 0)...)
	}
	return list
}

// levelsOf is a names table without its lines, which may move.
func levelsOf(n *Network) [][]name.Pair {
	out := make([][]name.Pair, len(n.Settings.Levels))
	for i, level := range n.Settings.Levels {
		for _, p := range level {
			out[i] = append(out[i], name.Pair{Text: p.Text, Byte: p.Byte})
		}
	}
	return out
}

// entries are the keys of a network and, if it is not the node's own, the network.
func (n *Network) entries(other bool) (list []entry) {
	id := fmt.Sprintf("%#08x", n.NetID)
	if other {
		list = append(list, entry{place{"networks", id}, []setting{
			say("naming", n.Settings.Naming), hide("names", levelsOf(n)),
			plain("management", n.Settings.Management), plain("never_cached", n.Settings.NeverCached),
		}})
	}
	for _, k := range n.Keys {
		key := fmt.Sprint(k.ID)
		if other {
			key += " of " + id
		}
		list = append(list, entry{place{"network_keys", key}, []setting{plain("use", k.Use), secret("key", k.Key)}})
	}
	return list
}

func (c *Config) storeEntries() []entry {
	s := &c.Store
	list := []entry{{place{"store", ""}, []setting{
		span("retention", s.Retention), plain("max_size", sizeText(s.MaxSize)), plain("durability", s.Durability),
		plain("max_rate_per_name", rateText(s.MaxRatePerName, "min")), plain("memory", sizeText(int64(s.Memory))),
		plain("max_names", s.MaxNames), span("sync_every", s.SyncEvery),
	}}}
	for i := range s.Rules {
		list = append(list, ruleEntry(&s.Rules[i]))
	}
	for _, p := range s.Mirror {
		list = append(list, entry{place: place{"store.mirror", quoted(p)}})
	}
	return list
}

// ruleEntry is a rule; what it leaves to the default is empty.
func ruleEntry(r *store.Rule) entry {
	retention, class, rate, age := "", "", "", ""
	if r.Retention > 0 {
		retention = durationText(r.Retention)
	}
	if r.Class != store.Inherit {
		class = r.Class.String()
	}
	if r.MaxRatePerName != 0 {
		rate = rateText(r.MaxRatePerName, "min")
	}
	if r.NewestMaxAge > 0 {
		age = durationText(r.NewestMaxAge)
	}
	return entry{place{"store.rules", quoted(name.MakePrefix(r.Prefix, uint8(r.Length)))}, []setting{
		say("retention", retention), plain("keep_newest", r.KeepNewest), say("durability", class), say("max_rate_per_name", rate),
		say("newest_max_age", age),
	}}
}

func (c *Config) faceEntries() (list []entry) {
	for i := range c.Faces {
		f := &c.Faces[i]
		ask := prefixes("ask", f.Ask)
		if !f.AskSome {
			ask.value = "everything"
		}
		list = append(list, entry{place{"faces", f.Name}, []setting{
			say("type", f.Type), say("plugin", f.Driver.Plugin), say("transport", f.Driver.Transport), say("listen", f.Listen), say("remote", f.Remote),
			say("device", f.Driver.Device), plain("serial port", fmt.Sprintf("%+v", f.Driver.Serial)),
			prefixes("publish", f.Publish), ask, prefixes("announce", f.Announce), plain("proxy", f.Proxy), plain("hello", f.Hello),
			plain("clock", f.Clock), plain("net_id_field", f.NetIDField), plain("cost", f.Cost), plain("mtu", f.MTU), plain("share", f.Share),
		}})
	}
	return list
}

func (c *Config) routeEntries() (list []entry) {
	for _, r := range c.Routes {
		list = append(list, entry{place{"routes", quoted(r.Prefix) + " by " + r.Face}, []setting{say("cost", r.Cost)}})
	}
	for _, a := range c.Announce {
		list = append(list, entry{place{"announce", quoted(a.Prefix)}, []setting{say("cost", a.Cost), span("lifetime", a.Lifetime)}})
	}
	return list
}

func (c *Config) pluginEntries() (list []entry) {
	for i := range c.Plugins {
		p := &c.Plugins[i]
		settings := []setting{say("path", p.Path), say("builtin", p.Builtin), plain("grant", p.Grant), hide("config", p.Config)}
		list = append(list, entry{place{"plugins", p.Name}, append(settings, p.Limits.settings()...)})
	}
	for _, s := range c.Strategies {
		list = append(list, entry{place{"strategies", quoted(s.Prefix)}, []setting{say("plugin", s.Plugin)}})
	}
	keys := ""
	if c.Trust != nil {
		keys = fmt.Sprintf("%x", c.Trust.Keys)
	}
	return append(list, entry{place{"plugins_trust", ""}, []setting{{name: "keys", value: keys, hidden: true}}})
}

// settings are those of [plugins.limits] that are given.
func (l PluginLimits) settings() (list []setting) {
	limit := func(key string, n int64, text string) {
		if n == 0 {
			text = ""
		}
		list = append(list, say("limits."+key, text))
	}
	limit("memory", l.Memory, sizeText(l.Memory))
	for _, s := range l.numbers() {
		limit(s.key, s.value(), strconv.FormatInt(s.value(), 10))
	}
	for _, s := range l.times() {
		limit(s.key, int64(*s.v), durationText(*s.v))
	}
	limit("recycle_memory", l.Recycle, sizeText(l.Recycle))
	return list
}

func (c *Config) streamEntries() (list []entry) {
	for i := range c.Streams {
		s := &c.Streams[i]
		list = append(list, entry{place{"streams", s.Name.String()}, []setting{
			say("uri", s.URI), plain("encryption", s.Encryption), secret("key", s.Key), hide("iv", s.IV), plain("decoder", s.Decoder),
			plain("port", s.Port), plain("port in payload", s.PortFirst), hide("variables", s.Variables),
		}})
	}
	return list
}

// tableEntries are the tables at the end of the surface page.
func (c *Config) tableEntries() []entry {
	a := &c.Admin
	tls := AdminTLS{}
	if a.TLS != nil {
		tls = *a.TLS
	}
	return []entry{
		{place{"limits", ""}, c.Limits.settings()},
		{place{"admin", ""}, []setting{
			plain("listen", a.Network+":"+a.Address), secret("token", a.Token),
			plain("tls_cert", tls.Certificate), plain("tls_key", tls.Key), plain("tls_client_ca", tls.ClientCA),
		}},
		{place{"metrics", ""}, []setting{plain("listen", c.Metrics.Listen)}},
		{place{"log", ""}, []setting{plain("level", c.Log.Level), plain("format", c.Log.Format)}},
	}
}

// settings are those of [limits].
func (l Limits) settings() []setting {
	list := []setting{plain("wildcard", fmt.Sprintf("0x%02X", l.Wildcard))}
	for _, s := range timesOf(&l.Limits) {
		list = append(list, span(s.key, *s.v))
	}
	for _, s := range countsOf(&l.Limits) {
		list = append(list, plain(s.key, *s.v))
	}
	for _, s := range ratesOf(&l.Limits) {
		list = append(list, plain(s.key, rateText(int(*s.v), "s")))
	}
	return list
}
