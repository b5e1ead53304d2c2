package outside

import (
	"testing"
)

// Names of device management: one that is answered under the public key, and one that is not.
var (
	welcome = of("fe0102030405")
	private = of("fe0102030406")
)

// onboarding starts a node with a management server at its listener, and opens a device that has the public key only.
func onboarding(t *testing.T, more setup) (n *node, server, device *peer) {
	t.Helper()
	more.node += "\nonboarding = [\"" + welcome.String() + "\"]"
	more.lan = `publish = ["01", "fe"]`
	n = start(t, more)
	server, device = n.peer(), n.peer()
	device.key = publicKey
	return n, server, device
}

// A device that has no network key yet asks for a name on the onboarding list, and has the answer under the public key (P-9).
func TestADeviceIsOnboardedUnderThePublicKey(t *testing.T) {
	_, server, device := onboarding(t, setup{})
	f := server.publishes(welcome, 1, "sealed with its management key")
	for _, ask := range []frame{
		interest(welcome, newest, 2), interest(welcome, 1, 2), {ttl: 7, name: welcome}, {ttl: 7, name: welcome, payload: asking(0, 2)},
	} {
		device.send(ask)
		device.gets(f)
	}
	device.silent(server)
	server.send(interest(welcome, newest, 2)) // who has the network key is answered under it
	server.gets(f)
}

// Everything else under the public key is dropped, counted and not answered, not even with a Return.
func TestWhatThePublicKeyIsNotFor(t *testing.T) {
	n, server, device := onboarding(t, setup{})
	server.publishes(welcome, 1, "x")
	server.publishes(private, 1, "x")
	server.publishes(room, 1, "x")
	keyed := interest(welcome, newest, 2)
	keyed.key = 1
	for what, c := range map[string]struct {
		f      frame
		reason string
	}{
		"a name that is not on the list": {interest(private, newest, 2), "public_key"},
		"a user's name":                  {interest(room, newest, 2), "bad_mac"},
		"Content":                        {content(welcome, 2, "forged"), "public_key"},
		"a Return":                       {returned(interest(welcome, 1, 2), 1, 1), "public_key"},
		"an Announcement":                {announce("fe01", 1, 1, 60, 1), "public_key"},
		"a subscription":                 {interest(welcome, subscribe, 60), "public_key"},
		"key 1":                          {keyed, "unknown_key"},
	} {
		t.Run(what, func(t *testing.T) {
			n.counts(c.reason, 1, func() {
				device.send(c.f)
				device.silent(server)
			})
		})
	}
	device.send(interest(welcome, 9, 0)) // allowed, but not there: the device is told nothing, since it could not tell who says it
	device.silent(server)
	server.send(interest(welcome, newest, 2))
	server.gets(content(welcome, 1, "x"))
}

// What came under the public key goes on under the network's, and the answer comes back under the public one.
func TestTheFirstHopPassesOnboardingOn(t *testing.T) {
	up := socket(t)
	n, server, device := onboarding(t, setup{rest: remote("up", up.addr) + route("fe", "up")})
	up.to(n)
	ask, f := interest(welcome, newest, 2), content(welcome, 1, "x")
	device.send(ask)
	up.gets(ask.with(6))
	up.send(f)
	device.gets(f.with(6))
	device.silent(server)
}

// Under the public key a face has a rate: 10 frames a second unless set.
func TestThePublicKeyHasARate(t *testing.T) {
	n, server, device := onboarding(t, setup{rest: "[limits]\npublic_key_rate = \"5/s\"\n"})
	f := server.publishes(welcome, 1, "x")
	const asked = 40
	for range asked {
		device.send(interest(welcome, newest, 2))
	}
	server.quiet()
	answered := 0
	for answered < asked {
		got, _, ok := device.receive(here)
		if !ok {
			break
		}
		if !got.signed(publicKey) || !same(got, f) {
			t.Fatalf("got %v", got)
		}
		answered++
	}
	refused := int(n.dropped("public_rate"))
	if refused+answered != asked || answered < 5 || refused < asked-15 { // in at most three seconds of the node's
		t.Errorf("%d were answered and %d refused, of %d at 5 a second", answered, refused, asked)
	}
}
