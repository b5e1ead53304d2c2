package wire_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/wire"
)

const (
	ownNet     = 0x00010010
	foreignNet = 0x00020020
)

// ring is that of the vectors: the own network has keys 0, 2 and 3, the foreign one key 1.
func ring(t testing.TB) *wire.Keyring {
	t.Helper()
	k0, k2, k3 := key(t, rfcKey), key(t, "000102030405060708090a0b0c0d0e0f"), key(t, "ffeeddccbbaa99887766554433221100")
	f1 := key(t, "0f0e0d0c0b0a09080706050403020100")
	k, err := wire.NewKeyring(
		wire.Network{NetID: ownNet, Keys: [wire.NetworkKeys]*[16]byte{0: &k0, 2: &k2, 3: &k3}},
		wire.Network{NetID: foreignNet, Keys: [wire.NetworkKeys]*[16]byte{1: &f1}, Use: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestP19NetIDs(t *testing.T) {
	k := ring(t)
	for netID, want := range map[uint32]struct {
		net uint8
		ok  bool
	}{
		0: {0, true}, 1: {0, true}, ownNet: {0, true}, foreignNet: {1, true}, 2: {0, false}, 0xFFFFFFFF: {0, false},
	} {
		if net, ok := k.Index(netID); net != want.net || ok != want.ok {
			t.Errorf("Net ID %#x is network %d, %v", netID, net, ok)
		}
	}
	if k.Len() != 2 || k.NetID(0) != ownNet || k.NetID(1) != foreignNet || k.Use(0) != 0 || k.Use(1) != 1 {
		t.Errorf("keyring of %d networks, %#x and %#x, using %d and %d", k.Len(), k.NetID(0), k.NetID(1), k.Use(0), k.Use(1))
	}
	if k.Verifier().Ring() != k {
		t.Error("the Verifier has another keyring")
	}
}

// A frame verifies under the key that it names, in its network, and under no other.
func TestP19VerifyByNetworkAndKey(t *testing.T) {
	v := ring(t).Verifier()
	has := map[uint8]string{0: "0 2 3", 1: "1"}
	for signNet := range uint8(2) {
		for _, netID := range []uint32{0, 1, ownNet, foreignNet, 77} {
			for id := range uint8(wire.NetworkKeys) {
				h := wire.Header{NetID: netID, Name: merkur, KeyID: id, TTL: 7}
				raw := h.Append(nil, asked[:])
				err := v.Sign(signNet, raw)
				if known := strings.Contains(has[signNet], string('0'+id)); known != (err == nil) || !known && !errors.Is(err, wire.ErrNoKey) {
					t.Fatalf("sign in network %d with key %d: %v", signNet, id, err)
				}
				f := parsed(t, raw)
				net, why := v.Verify(&f)
				if want := expected(signNet, netID, id, has, err == nil); why != want || why == drop.None && net != signNet {
					t.Errorf("signed in network %d, Net ID %#x, key %d: %s in network %d, want %s", signNet, netID, id, why, net, want)
				}
			}
		}
	}
}

func expected(signNet uint8, netID uint32, id uint8, has map[uint8]string, signed bool) drop.Reason {
	net, ok := uint8(0), netID <= 1 || netID == ownNet
	if netID == foreignNet {
		net, ok = 1, true
	}
	switch {
	case !ok:
		return drop.ForeignNetwork
	case !strings.Contains(has[net], string('0'+id)):
		return drop.UnknownKey
	case !signed || net != signNet:
		return drop.BadMAC
	}
	return drop.None
}

func TestP9PublicKey(t *testing.T) {
	v := ring(t).Verifier()
	h := wire.Header{Name: merkur, KeyID: 3, TTL: 7}
	raw := h.Append(nil, nil)
	v.SignPublic(raw)
	f := parsed(t, raw)
	if f.KeyID != 0 || !v.VerifyPublic(&f) {
		t.Fatalf("key id %d, verified %v", f.KeyID, v.VerifyPublic(&f))
	}
	if _, why := v.Verify(&f); why != drop.BadMAC {
		t.Errorf("under the network key: %s", why)
	}
	// Only frames that name key 0 may be under the public key. SignPublic makes no others, so these are made by hand.
	for id := uint8(1); id < wire.NetworkKeys; id++ {
		named := (&wire.Header{Name: merkur, KeyID: id}).Append(nil, nil)
		body := named[wire.BodyOffset(named):]
		copy(body[len(body)-4:], wire.NewCMAC(wire.PublicKey).Sum(body[:len(body)-4])[12:])
		if f := parsed(t, named); v.VerifyPublic(&f) {
			t.Errorf("a frame that names key %d verifies under the public key", id)
		}
	}
}

func TestKeyringsThatAreRefused(t *testing.T) {
	a, b, public := [16]byte{1}, [16]byte{2}, wire.PublicKey
	keys := func(k ...*[16]byte) (list [wire.NetworkKeys]*[16]byte) { copy(list[:], k); return list }
	for what, c := range map[string]struct {
		nets []wire.Network
		word string
	}{
		"no network":           {nil, "0 networks"},
		"too many networks":    {make([]wire.Network, 256), "256 networks"},
		"no key to use":        {[]wire.Network{{Keys: keys(nil, &a)}}, "key 0"},
		"use beyond 3":         {[]wire.Network{{Keys: keys(&a), Use: 4}}, "key 4"},
		"the public key":       {[]wire.Network{{Keys: keys(&a, &public)}}, "public key"},
		"own Net ID twice":     {[]wire.Network{{NetID: 9, Keys: keys(&a)}, {NetID: 9, Keys: keys(&b)}}, "two networks"},
		"foreign Net ID twice": {[]wire.Network{{Keys: keys(&a)}, {NetID: 9, Keys: keys(&b)}, {NetID: 9, Keys: keys(&b)}}, "two networks"},
		"0 as a foreign one":   {[]wire.Network{{NetID: 9, Keys: keys(&a)}, {NetID: 0, Keys: keys(&b)}}, "two networks"},
		"1 as a foreign one":   {[]wire.Network{{NetID: 9, Keys: keys(&a)}, {NetID: 1, Keys: keys(&b)}}, "two networks"},
		"P-19 a key under two": {[]wire.Network{{Keys: keys(&a)}, {NetID: 9, Keys: keys(&b, &a)}}, "P-19"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := wire.NewKeyring(c.nets...)
			if err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("got %v, want an error with %q", err, c.word)
			}
		})
	}
}

// A keyring is a copy: whoever clears his own copy of a key afterwards does not change it.
func TestKeyringIsACopy(t *testing.T) {
	k := [16]byte{1}
	r, err := wire.NewKeyring(wire.Network{Keys: [wire.NetworkKeys]*[16]byte{&k}})
	if err != nil {
		t.Fatal(err)
	}
	raw := (&wire.Header{Name: merkur}).Append(nil, nil)
	if err := r.Verifier().Sign(0, raw); err != nil {
		t.Fatal(err)
	}
	k = [16]byte{}
	f := parsed(t, raw)
	if _, why := r.Verifier().Verify(&f); why != drop.None {
		t.Errorf("after clearing the caller's key: %s", why)
	}
}

// Verifiers of one keyring share nothing: many goroutines may have one each.
func TestVerifiersAreIndependent(t *testing.T) {
	k := ring(t)
	raw := unhex(t, vectors()[0].hex)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			v, f := k.Verifier(), parsed(t, raw)
			for range 200 {
				if _, why := v.Verify(&f); why != drop.None {
					t.Error(why)
				}
			}
		})
	}
	wg.Wait()
}
