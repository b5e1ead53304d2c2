package config

import (
	"path/filepath"
	"strings"
)

// Names of zerolog's levels that make sense here, and of our formats.
var (
	levels  = []string{"trace", "debug", "info", "warn", "error", "disabled"}
	formats = []string{"auto", "text", "json"}
)

// standardAdmin is where the admin API listens if nothing is said: a path in the data folder.
const standardAdmin = "unix:zmesh.sock"

// minToken is the shortest admin token, in bytes: 128 bits if it is random base64 or more.
const minToken = 22

// readAdmin reads [admin].
func (l *loader) readAdmin(root *table) {
	t, a := root.table("admin"), &l.cfg.Admin
	a.Pos = root.place("")
	if t != nil {
		a.Pos = t.here()
	}
	text := t.text("listen", standardAdmin)
	if path, unix := strings.CutPrefix(text, "unix:"); unix {
		l.unixAdmin(t, a, path)
	} else if t != nil {
		a.Network = "tcp"
		a.Address = t.address("listen", addressKind{listen: true})
		l.tcpTaken(t, a.Address)
	}
	l.readAdminAuth(t, a)
	t.end()
}

// unixAdmin takes a path in the data folder.
func (l *loader) unixAdmin(t *table, a *Admin, path string) {
	a.Network, a.Address = "unix", path
	switch {
	case path == "":
		t.wrong("listen", `listen names no path: write one in the data folder, such as %q`, standardAdmin)
	case !strings.HasPrefix(path, "/"):
		a.Address = filepath.Join(l.cfg.Node.DataDir, path)
	}
	if len(a.Address) > maxSocketPath {
		l.wrong(a.Pos, "the path of the admin socket, %s, is longer than the %d bytes that the system takes: write a shorter one as listen "+
			`of [admin], such as "unix:/run/zmesh/%s.sock"`, a.Address, maxSocketPath, l.cfg.Node.Name)
	}
}

// readAdminAuth reads the token and the files of mutual TLS; t may be nil. A TCP address needs one of the two.
func (l *loader) readAdminAuth(t *table, a *Admin) {
	if t == nil {
		return
	}
	a.Token = l.readToken(t)
	a.TLS = l.readAdminTLS(t)
	switch {
	case a.Network == "unix" && (t.has("token") || t.has("token_file") || a.TLS != nil):
		t.wrong("listen", "a unix socket is protected by its mode, so token and TLS do nothing there: remove them, or listen on a TCP address")
	case a.Network == "tcp" && !t.has("token") && !t.has("token_file") && (a.TLS == nil || a.TLS.ClientCA == ""):
		t.wrong("listen", "a TCP address needs a token or mutual TLS: add token_file, or tls_cert, tls_key and tls_client_ca; or use %q", standardAdmin)
	}
}

// readToken reads token or token_file.
func (l *loader) readToken(t *table) Secret {
	raw, inline := t.take("token")
	text, isText := raw.(string)
	key := "token"
	if t.has("token_file") {
		key = "token_file"
		if inline {
			t.wrong("token", "token and token_file both give the token: keep one")
			return Secret{}
		}
		text, isText = t.privateFile(key, worldBits)
		text = strings.TrimSpace(text)
		inline = isText
	}
	switch {
	case !inline:
		return Secret{}
	case !isText:
		t.wrong(key, "%s is no text: write it in quotes", key)
	case len(text) < minToken:
		t.wrong(key, "the token has %d characters: write at least %d random ones, such as from openssl rand -hex 16", len(text), minToken)
	}
	return NewSecret([]byte(text))
}

// readAdminTLS reads the files of TLS; nil if there are none.
func (l *loader) readAdminTLS(t *table) *AdminTLS {
	tls := &AdminTLS{
		Certificate: l.adminFile(t, "tls_cert"),
		Key:         l.adminFile(t, "tls_key"),
		ClientCA:    l.adminFile(t, "tls_client_ca"),
	}
	if *tls == (AdminTLS{}) {
		return nil
	}
	if tls.Certificate == "" || tls.Key == "" {
		t.wrongAt(t.at, "[admin] has TLS without all of its files: add tls_cert and tls_key, and tls_client_ca for mutual TLS")
	}
	if tls.Key != "" {
		l.isPrivate(tls.Key, t.position("tls_key"), "tls_key", worldBits)
	}
	return tls
}

func (l *loader) adminFile(t *table, key string) string {
	text, ok := typed[string](t, key, "the path of a PEM file in quotes")
	if !ok {
		return ""
	}
	path := l.resolve(text)
	l.isFile(path, t.position(key), key)
	return path
}

// readMetrics reads [metrics].
func (l *loader) readMetrics(root *table) {
	t := root.table("metrics")
	if t == nil {
		return
	}
	l.cfg.Metrics = Metrics{Listen: t.address("listen", addressKind{listen: true}), Pos: t.here()}
	if !t.has("listen") {
		t.wrongAt(t.at, `[metrics] has no listen: add an address, such as "127.0.0.1:9208", or remove the table`)
	}
	l.tcpTaken(t, l.cfg.Metrics.Listen)
	t.end()
}

// readLog reads [log]; t may be nil.
func (l *loader) readLog(t *table) {
	l.cfg.Log = Log{Level: t.choice("level", defaultLevel, levels...), Format: t.choice("format", formats[0], formats...)}
	t.end()
}
