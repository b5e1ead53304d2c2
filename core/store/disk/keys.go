package disk

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/zmesh/zmesh/core/name"
)

// The layouts of keys and values; see the package comment.
const (
	contentKeySize  = 16
	contentHeader   = 9
	pointerKeySize  = 8
	pointerSize     = 21
	pointerKeyMark  = uint64(1) << 63
	flagProducer    = 1 << 0 // the content, or the newest that a pointer names, came from the producer face (P-17)
	flagPublished   = 1 << 1 // the name was published at this node
	flagNotNewest   = 1 << 2 // of a content: it was not the newest when it came, and there is a pointer to the one that was
	hourNumberWidth = 8
	pointerKeyMax   = name.Key(1<<63 - 1)
)

func putContentKey(dst []byte, k name.Key, ext uint64) {
	binary.BigEndian.PutUint64(dst, uint64(k))
	binary.BigEndian.PutUint64(dst[8:], ext)
}

func contentKey(k name.Key, ext uint64) []byte {
	key := make([]byte, contentKeySize)
	putContentKey(key, k, ext)
	return key
}

func putPointerKey(dst []byte, k name.Key) {
	binary.BigEndian.PutUint64(dst, uint64(k)|pointerKeyMark)
}

func pointerKey(k name.Key) []byte {
	key := make([]byte, pointerKeySize)
	putPointerKey(key, k)
	return key
}

func parsePointerKey(key []byte) (name.Key, error) {
	if len(key) != pointerKeySize {
		return 0, fmt.Errorf("pointer's key has %d bytes, want %d", len(key), pointerKeySize)
	}
	return name.Key(binary.BigEndian.Uint64(key) &^ pointerKeyMark), nil
}

// content is a stored value taken apart.
type content struct {
	ext   uint64
	wall  int64
	flags byte
	body  []byte

	unsafe bool // where it was read a sync has failed
}

func putContent(dst []byte, wall int64, flags byte, body []byte) {
	binary.BigEndian.PutUint64(dst, uint64(wall))
	dst[8] = flags
	copy(dst[contentHeader:], body)
}

func (c *content) producer() bool { return c.flags&flagProducer != 0 }

// pointer gives what a pointer to c would say.
func (c *content) pointer() pointer {
	p := pointer{newest: c.ext, wall: c.wall, producer: c.producer(), published: c.flags&flagPublished != 0}
	if n := len(c.body); n >= 4 {
		p.mac = binary.BigEndian.Uint32(c.body[n-4:])
	}
	return p
}

func parseContent(ext uint64, v []byte) (content, error) {
	if len(v) < contentHeader {
		return content{}, fmt.Errorf("content %#x has %d bytes, want at least %d", ext, len(v), contentHeader)
	}
	return content{ext: ext, wall: int64(binary.BigEndian.Uint64(v)), flags: v[8], body: v[contentHeader:]}, nil
}

// pointer is what is known of a name's newest content.
type pointer struct {
	newest    uint64
	wall      int64
	mac       uint32
	producer  bool
	published bool
}

func (p *pointer) put(dst []byte) {
	binary.BigEndian.PutUint64(dst, p.newest)
	binary.BigEndian.PutUint64(dst[8:], uint64(p.wall))
	binary.BigEndian.PutUint32(dst[16:], p.mac)
	dst[20] = flagIf(p.producer, flagProducer) | flagIf(p.published, flagPublished)
}

func parsePointer(v []byte) (pointer, error) {
	if len(v) != pointerSize {
		return pointer{}, fmt.Errorf("pointer has %d bytes, want %d", len(v), pointerSize)
	}
	return pointer{
		newest: binary.BigEndian.Uint64(v), wall: int64(binary.BigEndian.Uint64(v[8:])),
		mac: binary.BigEndian.Uint32(v[16:]), producer: v[20]&flagProducer != 0, published: v[20]&flagPublished != 0,
	}, nil
}

func flagIf(on bool, flag byte) byte {
	if on {
		return flag
	}
	return 0
}

// hourName is the directory of an hour.
func hourName(number uint32, start int64) string {
	return fmt.Sprintf("%0*d-%d", hourNumberWidth, number, start)
}

// parseHourName is the inverse of hourName; ok is false for what is not an hour.
func parseHourName(s string) (number uint32, start int64, ok bool) {
	a, b, found := strings.Cut(s, "-")
	n, err := strconv.ParseUint(a, 10, 32)
	start, err2 := strconv.ParseInt(b, 10, 64)
	if !found || err != nil || err2 != nil || hourName(uint32(n), start) != s {
		return 0, 0, false
	}
	return uint32(n), start, true
}

func extOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[8:]) }
