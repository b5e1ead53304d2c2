package wire_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/wire"
	"pgregory.net/rapid"
)

func TestP3P4PayloadOfAnInterest(t *testing.T) {
	a := wire.MakeAsked(1_700_000_000_000, 60)
	if got := hex.EncodeToString(a[:]); got != "018bcfe56800003c" {
		t.Errorf("bytes are %s", got)
	}
	if a.UnixMilli() != 1_700_000_000_000 || a.Expiry() != time.Minute {
		t.Errorf("read as %d ms, %s", a.UnixMilli(), a.Expiry())
	}
	longest := wire.MakeAsked(1<<48-1, 0xFFFF)
	if longest.UnixMilli() != 1<<48-1 || longest.Expiry() != 65535*time.Second {
		t.Errorf("read as %d ms, %s", longest.UnixMilli(), longest.Expiry())
	}
	if noClock := (wire.Asked{7: 5}); noClock.UnixMilli() != 0 || noClock.Expiry() != 5*time.Second {
		t.Errorf("a device without a clock: %d ms, %s", noClock.UnixMilli(), noClock.Expiry())
	}
	if back, ok := wire.AskedOf(a[:]); !ok || back != a {
		t.Errorf("comes back as %x, %v", back, ok)
	}
	if none, ok := wire.AskedOf(nil); ok || none != (wire.Asked{}) || wire.EmptyExpiry != 2*time.Second {
		t.Errorf("no payload is %x, %v", none, ok)
	}
}

func TestP6PayloadOfAReturn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyReturned().Draw(t, "returned")
		payload := r.Append([]byte{0xEE})[1:]
		want := wire.ReturnPayload
		if r.Reason == wire.ReturnHello {
			want = wire.HelloPayload
		}
		if got := wire.ReturnedOf(payload); got != r || len(payload) != want {
			t.Fatalf("%+v is %x and comes back as %+v", r, payload, got)
		}
	})
	for reason, want := range map[wire.ReturnReason]string{1: "no route", 2: "not here", 6: "ttl ended", 7: "hello", 0: "reserved", 8: "unknown"} {
		if reason.String() != want {
			t.Errorf("reason %d is %q", uint8(reason), reason)
		}
	}
}

func TestP7PayloadOfAnAnnouncement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := wire.Announced{
			PrefixLen: uint8(rapid.IntRange(0, 6).Draw(t, "len")), Cost: rapid.Uint16().Draw(t, "cost"),
			Lifetime: rapid.Uint16().Draw(t, "lifetime"), Origin: rapid.Uint32().Draw(t, "origin"),
		}
		payload := a.Append([]byte{0xEE})[1:]
		if got := wire.AnnouncedOf(payload); got != a || len(payload) != wire.AnnouncementPayload {
			t.Fatalf("%+v is %x and comes back as %+v", a, payload, got)
		}
	})
}

func FuzzReturned(f *testing.F) {
	f.Add(make([]byte, 13))
	f.Add([]byte("\x07234567890abcdefg"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		h := wire.Header{Type: wire.Return}
		var frame wire.Frame
		if frame.Parse(h.Append(nil, payload)) != 0 {
			return
		}
		r := wire.ReturnedOf(frame.Payload)
		if got := r.Append(nil); string(got) != string(payload) {
			t.Fatalf("%x comes back as %x", payload, got)
		}
	})
}

func FuzzAnnounced(f *testing.F) {
	f.Add(make([]byte, 9))
	f.Fuzz(func(t *testing.T, payload []byte) {
		h := wire.Header{Type: wire.Announcement}
		var frame wire.Frame
		if frame.Parse(h.Append(nil, payload)) != 0 {
			return
		}
		a := wire.AnnouncedOf(frame.Payload)
		if got := a.Append(nil); string(got) != string(payload) {
			t.Fatalf("%x comes back as %x", payload, got)
		}
	})
}

func anyReturned() *rapid.Generator[wire.Returned] {
	return rapid.Custom(func(t *rapid.T) wire.Returned {
		r := wire.Returned{
			Reason: wire.ReturnReason(rapid.IntRange(0, 9).Draw(t, "reason")),
			Asked:  wire.MakeAsked(rapid.Int64Range(0, 1<<48-1).Draw(t, "ms"), rapid.Uint16().Draw(t, "s")),
			Node:   rapid.Uint32().Draw(t, "node"),
		}
		if r.Reason == wire.ReturnHello {
			r.Boot = rapid.Uint32().Draw(t, "boot")
		}
		return r
	})
}
