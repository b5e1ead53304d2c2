package config

import (
	"encoding/hex"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// streamTables gives the tables of all streams: those of the file and those of streams_file.
func (l *loader) streamTables(root, node *table) []*table {
	list := root.tables("streams")
	text, ok := node.privateFile("streams_file", othersBits)
	if !ok {
		return list
	}
	other, ok := l.parse(l.resolve(node.text("streams_file", "")), text)
	if !ok {
		return list
	}
	list = append(list, other.tables("streams")...)
	other.end()
	return list
}

// readStreams reads [[streams]].
func (l *loader) readStreams(tables []*table) {
	for _, t := range tables {
		s := Stream{Pos: t.here()}
		named := l.readStreamName(t, &s)
		l.readCipher(t, &s)
		s.Decoder = l.pluginOf(t, "decoder", KindDecoder, builtinNames(KindDecoder)...)
		readPort(t, &s)
		s.Variables = readVariables(t.table("variables"))
		t.end()
		l.checkStream(t, &s, named)
		if named {
			l.cfg.Streams = append(l.cfg.Streams, s)
		}
	}
}

// readStreamName reads uri and name; either gives the other where that can be. It tells whether there is a name.
func (l *loader) readStreamName(t *table, s *Stream) bool {
	s.URI = t.text("uri", "")
	text, named := typed[string](t, "name", "12 hex digits in quotes")
	switch {
	case s.URI == "" && !t.has("name"):
		t.wrongAt(t.at, "%s has neither uri nor name: add one", t.title)
		return false
	case l.own == nil:
		return false
	case named:
		return l.givenName(t, s, text)
	case t.has("name"):
		return false
	}
	n, err := l.own.Parse(s.URI)
	if err != nil {
		t.wrong("uri", "%v", err)
		return false
	}
	s.Name = n
	return l.isContent(t, "uri", n)
}

// givenName takes the name that is written. In a hierarchical network the table must not say otherwise of the URI, or the two
// would lead to different contents.
func (l *loader) givenName(t *table, s *Stream, text string) bool {
	n, err := name.ParseHex(text)
	if err != nil {
		t.wrong("name", "%v", err)
		return false
	}
	s.Name = n
	if table, err := l.own.Parse(s.URI); !l.hashed && s.URI != "" && err == nil && table != n {
		t.wrong("name", "name is %s, but the names file makes %s of the uri: remove name, or correct one of the two", n, table)
		return false
	}
	return l.isContent(t, "name", n)
}

// isContent refuses names that no Content can have (P-23).
func (l *loader) isContent(t *table, key string, n name.Name) bool {
	switch {
	case l.own.IsWildcard(n):
		t.wrong(key, "%s holds a wildcard: a stream is one name (P-5)", n)
	case n == name.Hello:
		t.wrong(key, "%s is the name of hellos (P-18): choose another", n)
	case !l.own.Valid(n):
		t.wrong(key, "%s cannot exist in a hierarchical network: byte 0 is 01 to 9F, A0 to AF, FD or FE, and nothing follows 00 (P-23)", n)
	default:
		return true
	}
	return false
}

// keySizes are the lengths of content keys, in bytes (P-10).
var keySizes = map[Encryption]int{AES128CTR: 16, ChaCha20Poly1305: 32}

// readCipher reads encryption, key and iv.
func (l *loader) readCipher(t *table, s *Stream) {
	s.Encryption = Encryption(t.choice("encryption", "", string(NoEncryption), string(AES128CTR), string(ChaCha20Poly1305)))
	sizes := []int{16, 32}
	if n := keySizes[s.Encryption]; n > 0 {
		sizes = []int{n}
	}
	given := t.has("key") || t.has("key_file")
	key, ok := t.hexSecret("key", sizes...)
	s.Key = key
	readIV(t, s)
	switch enciphered := keySizes[s.Encryption] > 0; {
	case enciphered && !given:
		t.wrong("encryption", "encryption %q has no key: add key or key_file, %d hex digits", s.Encryption, 2*keySizes[s.Encryption])
	case enciphered && !t.has("iv"):
		t.wrong("encryption", "encryption %q has no iv: add one of 18 hex digits", s.Encryption)
	case s.Encryption == NoEncryption && given:
		t.wrong("encryption", `encryption is "none", but there is a key: remove the key, or write "aes-128-ctr" or "chacha20-poly1305"`)
	case given && !t.has("encryption") && ok:
		t.wrongAt(t.at, "there is a key and no encryption: add encryption = %q, which has keys of %d bytes", cipherFor(key), key.Len())
	}
	if k, is := l.isNetworkKey(key); is {
		t.wrong("key", "the content key is network key %d too, which every forwarder has: make one of its own", k.ID)
	}
	if s.Encryption == "" {
		s.Encryption = NoEncryption
	}
}

// cipherFor is the cipher that a key's length fits.
func cipherFor(key Secret) Encryption {
	if key.Len() == wire.KeySize {
		return AES128CTR
	}
	return ChaCha20Poly1305
}

// readIV reads the content IV, 9 bytes.
func readIV(t *table, s *Stream) {
	text, ok := typed[string](t, "iv", "18 hex digits in quotes")
	if !ok {
		return
	}
	b, err := hex.DecodeString(text)
	switch {
	case err != nil:
		t.wrong("iv", "iv is not hex: write 18 digits 0-9, a-f")
	case len(b) != ivSize:
		t.wrong("iv", "iv has %d hex digits: write 18", len(text))
	default:
		copy(s.IV[:], b)
	}
}

// readPort reads port: a number, or "payload".
func readPort(t *table, s *Stream) {
	v, ok := t.take("port")
	n, isNumber := v.(int64)
	switch {
	case !ok:
	case v == "payload":
		s.PortFirst = true
	case isNumber && n >= 1 && n <= 255:
		s.Port = uint8(n)
	default:
		t.wrong("port", `port is %s: write 1 to 255, or "payload" if the payload's first byte is the port`, kindOf(v))
	}
}

// readVariables reads a stream's constants; t may be nil.
func readVariables(t *table) map[string]any {
	if t == nil {
		return nil
	}
	list := make(map[string]any, len(t.m))
	for key := range t.m {
		v, _ := t.take(key)
		switch v.(type) {
		case string, int64, float64, bool:
			list[key] = v
		default:
			t.wrong(key, "variable %s is %s: write a text, a number, true or false", key, kindOf(v))
		}
	}
	return list
}

// checkStream compares a stream with those before it.
func (l *loader) checkStream(t *table, s *Stream, named bool) {
	for i := range l.cfg.Streams {
		other := &l.cfg.Streams[i]
		switch {
		case named && other.Name == s.Name && other.URI != s.URI:
			t.wrongAt(t.at, "the name %s is that of %s too (%s): a name has one producer and one key", s.Name, other.title(), other.Pos)
		case named && other.Name == s.Name:
			t.wrongAt(t.at, "the stream %s is there already (%s): keep one", s.title(), other.Pos)
		case s.URI != "" && other.URI == s.URI:
			t.wrong("uri", "the uri %q is there already, for the name %s (%s): keep one", s.URI, other.Name, other.Pos)
		case s.Key.Len() > 0 && s.Key.Equal(other.Key) && s.IV == other.IV:
			t.wrong("iv", "this stream has the key and the iv of %s (%s), so equal numbers have equal key streams and both can be read "+
				"without the key: give each an iv of its own", other.title(), other.Pos)
		}
	}
}

// title names a stream in a sentence.
func (s *Stream) title() string {
	if s.URI != "" {
		return `"` + s.URI + `"`
	}
	return s.Name.String()
}
