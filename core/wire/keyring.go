package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zmesh/zmesh/core/drop"
)

// NetworkKeys is how many network keys a network can have: FCTRL has two bits for the id.
const NetworkKeys = 4

// PublicKey is the fixed key of devices that have no network key yet. It gives integrity only (protocol page, part 1; P-9).
var PublicKey = [KeySize]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0x00, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}

// Network is what a node knows of one network: its Net ID and its keys.
type Network struct {
	NetID uint32                 // 0: the local network, sent without a Net ID field
	Keys  [NetworkKeys]*[16]byte // nil: not configured
	Use   uint8                  // the key that this node signs with
}

// Keyring holds the networks of a node. Index 0 is the node's own; frames without a Net ID, with 0, with 1 and with the
// node's own Net ID all belong to it (P-19). It is immutable; a [Verifier] is its working copy for one goroutine.
type Keyring struct{ nets []Network }

// NewKeyring checks the networks: the own one first, every Use configured, no Net ID twice, and no key under two Net IDs, since
// the Net ID is outside the MAC and frames could be moved between the networks (P-19).
func NewKeyring(nets ...Network) (*Keyring, error) {
	if len(nets) == 0 || len(nets) > 255 {
		return nil, fmt.Errorf("keyring of %d networks, want 1 to 255", len(nets))
	}
	ids := map[uint32]bool{}
	owner := map[[KeySize]byte]int{}
	for i, n := range nets {
		if i > 0 && (n.NetID <= 1 || n.NetID == nets[0].NetID) || ids[n.NetID] {
			return nil, fmt.Errorf("network %#08x: the Net ID stands for two networks", n.NetID)
		}
		ids[n.NetID] = true
		if n.Use >= NetworkKeys || n.Keys[n.Use] == nil {
			return nil, fmt.Errorf("network %#08x: network key %d is to be used and has no value", n.NetID, n.Use)
		}
		for id, k := range n.Keys {
			if k == nil {
				continue
			}
			if *k == PublicKey {
				return nil, fmt.Errorf("network %#08x: network key %d is the public key", n.NetID, id)
			}
			if j, dup := owner[*k]; dup && j != i {
				return nil, fmt.Errorf("network key %d of Net ID %#08x is also a key of Net ID %#08x (P-19)", id, n.NetID, nets[j].NetID)
			}
			owner[*k] = i
		}
	}
	return &Keyring{nets: cloneNetworks(nets)}, nil
}

// cloneNetworks copies the keys too, so that a caller may clear his own.
func cloneNetworks(nets []Network) []Network {
	nets = slices.Clone(nets)
	for i := range nets {
		for id, k := range nets[i].Keys {
			if k != nil {
				own := *k
				nets[i].Keys[id] = &own
			}
		}
	}
	return nets
}

// Index finds the network of a Net ID as it stands in a frame (P-19).
func (k *Keyring) Index(netID uint32) (net uint8, ok bool) {
	if netID <= 1 || netID == k.nets[0].NetID {
		return 0, true
	}
	for i := 1; i < len(k.nets); i++ {
		if k.nets[i].NetID == netID {
			return uint8(i), true
		}
	}
	return 0, false
}

// Len is the number of networks.
func (k *Keyring) Len() int { return len(k.nets) }

// NetID is the Net ID of a network index.
func (k *Keyring) NetID(net uint8) uint32 { return k.nets[net].NetID }

// Use is the id of the key that this node signs with in a network.
func (k *Keyring) Use(net uint8) uint8 { return k.nets[net].Use }

// Verifier makes a working copy of the keys for one goroutine.
func (k *Keyring) Verifier() *Verifier {
	v := &Verifier{ring: k, macs: make([][NetworkKeys]*CMAC, len(k.nets)), public: NewCMAC(PublicKey)}
	for i, n := range k.nets {
		for id, key := range n.Keys {
			if key != nil {
				v.macs[i][id] = NewCMAC(*key)
			}
		}
	}
	return v
}

// ErrNoKey says that a frame was to be signed with a key that is not configured.
var ErrNoKey = errors.New("network key not configured")

// Verifier verifies and signs frames. It is not safe for concurrent use.
type Verifier struct {
	ring   *Keyring
	macs   [][NetworkKeys]*CMAC
	public *CMAC

	todo   [Together]*CMAC // of VerifyTogether: what each frame is verified with, nil once it is
	bodies [lanes][]byte
	work   together
}

// Ring is the keyring that the Verifier was made from.
func (v *Verifier) Ring() *Keyring { return v.ring }

// Verify finds the network of a parsed frame and checks its MAC under the key that FCTRL names. It returns
// drop.ForeignNetwork, drop.UnknownKey or drop.BadMAC; the comparison takes constant time.
func (v *Verifier) Verify(f *Frame) (net uint8, why drop.Reason) {
	net, c, why := v.find(f)
	if why == drop.None && !c.verify(f.Body) {
		why = drop.BadMAC
	}
	return net, why
}

// find gives a frame's network and what its MAC is made with.
func (v *Verifier) find(f *Frame) (net uint8, c *CMAC, why drop.Reason) {
	net, ok := v.ring.Index(f.NetID)
	if !ok {
		return 0, nil, drop.ForeignNetwork
	}
	if c = v.macs[net][f.KeyID]; c == nil {
		return net, nil, drop.UnknownKey
	}
	return net, c, drop.None
}

// Together is how many frames [Verifier.VerifyTogether] takes at most.
const Together = 16

// Verdict is what Verify gives for a frame.
type Verdict struct {
	Net uint8
	Why drop.Reason
}

// VerifyTogether is Verify for up to Together frames, each with its verdict in the same place. It is faster where some have the same key and as many
// blocks of 16 bytes as others: their MACs are made side by side.
func (v *Verifier) VerifyTogether(frames []*Frame, verdicts []Verdict) {
	for i, f := range frames {
		verdicts[i].Net, v.todo[i], verdicts[i].Why = v.find(f)
	}
	for i, f := range frames {
		c := v.todo[i]
		if c == nil {
			continue
		}
		var of [lanes]int
		var good [lanes]bool
		of[0], v.bodies[0] = i, f.Body
		n, before := 1, beforeLast(f.Body[:len(f.Body)-MACSize])
		for j := i + 1; j < len(frames) && n < lanes; j++ {
			if b := frames[j].Body; v.todo[j] == c && beforeLast(b[:len(b)-MACSize]) == before {
				v.todo[j], of[n], v.bodies[n] = nil, j, b
				n++
			}
		}
		if n == 1 {
			good[0] = c.verify(f.Body)
		} else {
			c.verifyTogether(&v.work, &v.bodies, n, &good)
		}
		for k := range n {
			if !good[k] {
				verdicts[of[k]].Why = drop.BadMAC
			}
		}
	}
	v.bodies, v.work.blocks = [lanes][]byte{}, [lanes]*byte{} // keeps nobody's buffer
}

// VerifyPublic checks the MAC under the public key, which is tried only when FCTRL names key 0 (P-9; the caller knows
// the rest of that rule).
func (v *Verifier) VerifyPublic(f *Frame) bool { return f.KeyID == 0 && v.public.verify(f.Body) }

// Sign fills in the MAC of a frame built with [Header.Append], under the key that its FCTRL names.
func (v *Verifier) Sign(net uint8, raw []byte) error {
	body := raw[BodyOffset(raw):]
	c := v.macs[net][body[6]>>fctrlKeyShift]
	if c == nil {
		return ErrNoKey
	}
	c.sign(body)
	return nil
}

// SignPublic fills in the MAC under the public key and sets the key id to 0 (P-9).
func (v *Verifier) SignPublic(raw []byte) {
	body := raw[BodyOffset(raw):]
	body[6] &^= (NetworkKeys - 1) << fctrlKeyShift
	v.public.sign(body)
}
