package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// faceTypes are all of the surface page.
var faceTypes = []FaceType{UDP, TCP, TLS, Unix, WebSocket, Serial, Memory, Driver}

// builtFaces are those that this program has. Whoever builds another link adds it here, and its settings to readFace.
var builtFaces = []FaceType{UDP, Driver}

// faceType reads the type of a face.
func (t *table) faceType(key string) FaceType {
	list := make([]string, len(faceTypes))
	for i, f := range faceTypes {
		list[i] = string(f)
	}
	text := FaceType(t.choice(key, "", list...))
	switch {
	case !t.has(key):
		t.wrongAt(t.at, `%s has no type: add one, such as type = "udp"`, t.title)
	case text != "" && !slices.Contains(builtFaces, text):
		t.wrong(key, "face type %q is not built in yet: use %s", text, builtTexts())
		return ""
	}
	return text
}

func builtTexts() string {
	list := make([]string, len(builtFaces))
	for i, f := range builtFaces {
		list[i] = string(f)
	}
	return enumerate(list)
}

// readFaces reads [[faces]].
func (l *loader) readFaces(tables []*table) {
	for _, t := range tables {
		l.readFace(t)
	}
}

// readFace reads one of them.
func (l *loader) readFace(t *table) {
	f := Face{Name: t.label("name"), Type: t.faceType("type"), Pos: t.here()}
	if f.Type == Driver {
		l.readDriver(t, &f)
	} else {
		l.readEnds(t, &f)
	}
	l.readPolicy(t, &f)
	listener := f.Listen != ""
	f.Hello = t.flag("hello", !listener)
	f.Clock = t.flag("clock", listener)
	if f.Hello && listener && t.has("hello") {
		t.wrong("hello", "hello is for faces with remote: the peers of a listener greet us (P-18): remove it")
	}
	if f.Clock && !listener && t.has("clock") {
		t.wrong("clock", "clock is for faces with listen: a configured peer's timestamps are not checked (P-4): remove it")
	}
	t.end()
	if other := l.cfg.Face(f.Name); other != nil && f.Name != "" {
		t.wrong("name", "face %q is there already, at line %d: give each a name of its own", f.Name, other.Pos.Line)
	}
	l.checkEnds(t, &f)
	l.cfg.Faces = append(l.cfg.Faces, f)
}

// readEnds reads listen or remote.
func (l *loader) readEnds(t *table, f *Face) {
	l.needEnd(t, f)
	f.Listen = t.address("listen", addressKind{listen: true, port: defaultPort})
	f.Remote = t.address("remote", addressKind{port: defaultPort})
}

// needEnd makes sure that there is one of listen and remote.
func (l *loader) needEnd(t *table, f *Face) {
	switch {
	case t.has("listen") && t.has("remote"):
		t.wrong("remote", "face %q has both listen and remote: make two faces of it", f.Name)
	case !t.has("listen") && !t.has("remote"):
		t.wrongAt(t.at, "face %q has neither listen nor remote: add the address to listen on, or the peer's", f.Name)
	}
}

// address reads host:port; empty if it is absent or wrong.
func (t *table) address(key string, kind addressKind) string {
	text, ok := typed[string](t, key, `an address in quotes, such as "127.0.0.1:2208"`)
	if !ok {
		return ""
	}
	a, err := parseAddress(text, kind)
	if err != nil {
		t.wrong(key, "%s: %v", key, err)
	}
	return a
}

// readPolicy reads what may come from a face, and what it costs.
func (l *loader) readPolicy(t *table, f *Face) {
	f.Publish, _ = t.prefixes("publish")
	f.Ask, f.AskSome = t.prefixes("ask")
	f.Announce, _ = t.prefixes("announce")
	f.Proxy = t.flag("proxy", false)
	f.Cost = uint16(t.whole("cost", 1, wire.CostUnreachable-1, 1))
	f.MTU = int(t.whole("mtu", minFrame, wire.MaxFrame, wire.MaxFrame))
	f.Share = t.share("share", standardShare)
	f.NetIDField = t.flag("net_id_field", l.cfg.Node.NetID != 0)
	if f.NetIDField && l.cfg.Node.NetID == 0 {
		t.wrong("net_id_field", "the local network has no Net ID to write: add net_id to [node], or remove net_id_field")
	}
}

const standardShare = 0.125 // an eighth (P-22)

// checkEnds compares a face with those before it: two listeners on one address, two faces with one peer, of which a datagram
// could not tell which it is from (P-24), and a peer that is this node itself.
func (l *loader) checkEnds(t *table, f *Face) {
	for i := range l.cfg.Faces {
		other := &l.cfg.Faces[i]
		if carrier(f) != carrier(other) {
			continue
		}
		switch {
		case f.Driver.Device != "" && f.Driver.Device == other.Driver.Device:
			t.wrong("device", "face %q has the device %s too: one port is one face, remove one", other.Name, f.Driver.Device)
		case f.Listen != "" && other.Listen != "" && clash(f.Listen, other.Listen):
			t.wrong("listen", "face %q listens on %s too: give each a port of its own", other.Name, other.Listen)
		case f.Remote != "" && f.Remote == other.Remote:
			t.wrong("remote", "face %q has the remote %s too: one peer is one face (P-24), remove one", other.Name, f.Remote)
		case f.Remote != "" && f.Remote == other.Listen:
			t.wrong("remote", "face %q listens there, and a node cannot be its own peer: write another address", other.Name)
		case f.Listen != "" && f.Listen == other.Remote:
			t.wrong("listen", "face %q has this address as remote, and a node cannot be its own peer: write another address", other.Name)
		}
	}
}

// carrier tells which ports a face shares with others; an address of the admin API or of the metrics is TCP.
func carrier(f *Face) FaceType {
	switch f.Type {
	case TLS, WebSocket:
		return TCP
	case Driver:
		return FaceType(f.Driver.Transport)
	}
	return f.Type
}

// tcpTaken refuses an address that a face or the admin API listens on.
func (l *loader) tcpTaken(t *table, a string) {
	for i := range l.cfg.Faces {
		if f := &l.cfg.Faces[i]; carrier(f) == TCP && f.Listen != "" && clash(a, f.Listen) {
			t.wrong("listen", "face %q listens on %s too: give each a port of its own", f.Name, f.Listen)
		}
	}
	if admin := &l.cfg.Admin; t.title != "[admin]" && admin.Network == "tcp" && admin.Address != "" && clash(a, admin.Address) {
		t.wrong("listen", "[admin] listens on %s too: give each a port of its own", admin.Address)
	}
}

// remote reads the name of a face that a route can lead to.
func (l *loader) remote(t *table, key string) string {
	text, ok := typed[string](t, key, "the name of a face in quotes")
	if !ok {
		if !t.has(key) {
			t.wrongAt(t.at, "%s has no %s: add the name of one of [[faces]]", t.title, key)
		}
		return ""
	}
	f := l.cfg.Face(text)
	switch {
	case f == nil:
		t.wrong(key, "there is no face %q: %s", text, meant(text, l.faceNames()))
	case f.Listen != "":
		t.wrong(key, "face %q listens, so each of its peers is a face of its own (P-11) and it leads nowhere: name a face with remote", text)
	}
	return text
}

func (l *loader) faceNames() (list []string) {
	for i := range l.cfg.Faces {
		if n := l.cfg.Faces[i].Name; n != "" {
			list = append(list, n)
		}
	}
	return list
}

// readRoutes reads [[routes]].
func (l *loader) readRoutes(tables []*table) {
	for _, t := range tables {
		p, ok := t.prefix("prefix")
		r := Route{Prefix: p, Face: l.remote(t, "face"), Cost: uint16(t.whole("cost", 0, wire.CostUnreachable-1, standardCost)), Pos: t.here()}
		t.end()
		for _, other := range l.cfg.Routes {
			if ok && other.Prefix == p && other.Face == r.Face {
				t.wrongAt(t.at, "the route to %q by face %q is there already, at line %d: keep one", p, r.Face, other.Pos.Line)
			}
		}
		if ok {
			l.cfg.Routes = append(l.cfg.Routes, r)
		}
	}
}

const standardCost = 10

// readAnnounce reads [[announce]].
func (l *loader) readAnnounce(tables []*table) {
	for _, t := range tables {
		p, ok := t.prefix("prefix")
		a := Announce{
			Prefix: p, Cost: uint16(t.whole("cost", 0, wire.CostUnreachable-1, 0)),
			Lifetime: l.lifetime(t), Pos: t.here(),
		}
		t.end()
		for _, other := range l.cfg.Announce {
			if ok && other.Prefix == p {
				t.wrong("prefix", "the prefix %q is announced already, at line %d: keep one", p, other.Pos.Line)
			}
		}
		if ok {
			l.cfg.Announce = append(l.cfg.Announce, a)
		}
	}
}

const standardLifetime = 10 * time.Minute

// lifetime reads how long an Announcement is valid: whole seconds (P-7).
func (l *loader) lifetime(t *table) time.Duration {
	d := t.duration("lifetime", 3*time.Second, maxLifetime, standardLifetime)
	if d%time.Second != 0 {
		t.wrong("lifetime", "lifetime: %q is not a whole number of seconds (P-7): write %q", d, fmt.Sprint(d.Round(time.Second)))
	}
	return d
}
