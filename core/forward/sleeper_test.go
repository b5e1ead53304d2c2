package forward_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// sleepy is a Content with or without ProxyMe.
func (k *kit) sleepy(n string, seq uint32, proxyMe bool) []byte {
	return k.frame(wire.Header{Name: nm(n), Seq: seq, Type: wire.Content, TTL: 7, ProxyMe: proxyMe}, []byte("x"))
}

func proxy() forward.FaceConfig {
	return forward.FaceConfig{Publish: name.NewPrefixSet(prefix("01")), Proxy: true}
}

func TestP8HeldUntilTheNextFrame(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, proxy())
	sensor.send(l.sleepy(temp, 5, true))
	l.reader.send(l.interest(temp, 3, 60))
	l.asker(l.n).send(l.interest(temp, 3, 60)) // merged
	l.reader.send(l.interest(temp, 4, 20))
	l.m.RunFor(30 * time.Second) // the second one has expired meanwhile
	sensor.nothing()
	sensor.Send(l.sleepy(temp, 6, true))
	l.m.RunFor(50 * time.Millisecond) // while it listens
	if got := sensor.wants(wire.Interest, 3); got.ProxyMe || got.TTL != 6 {
		t.Errorf("ProxyMe %v TTL %d", got.ProxyMe, got.TTL)
	}
	sensor.send(l.sleepy(temp, 3, true))
	l.reader.wants(wire.Content, 3)
}

func TestP8WhoSleeps(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   forward.FaceConfig
		do    func(k *kit, p *peer)
		sleep bool
	}{
		{"a face with proxy", proxy(), func(k *kit, p *peer) { p.send(k.sleepy(temp, 5, true)) }, true},
		{"without", plain(), func(k *kit, p *peer) { p.send(k.sleepy(temp, 5, true)) }, false},
		{"no bit", proxy(), func(k *kit, p *peer) { p.send(k.sleepy(temp, 5, false)) }, false},
		{"ended by a frame without the bit", proxy(), func(k *kit, p *peer) { p.send(k.sleepy(temp, 5, true)); p.send(k.sleepy(temp, 6, false)) }, false},
		{"a frame seen before does not begin it again", proxy(), func(k *kit, p *peer) {
			p.send(k.sleepy(temp, 5, true))
			p.send(k.sleepy(temp, 6, false))
			p.send(k.sleepy(temp, 5, true))
		}, false},
		{"silent for almost a day", proxy(), func(k *kit, p *peer) {
			p.send(k.sleepy(temp, 5, true))
			k.m.RunFor(24*time.Hour - time.Second)
		}, true},
		{"silent for a day", proxy(), func(k *kit, p *peer) {
			p.send(k.sleepy(temp, 5, true))
			k.m.RunFor(24*time.Hour + time.Second)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLine(t, 0, limits(func(l *forward.Limits) { l.ProducerHold = 48 * time.Hour }))
			sensor := l.peer(l.n, c.cfg)
			c.do(l.kit, sensor)
			l.reader.send(l.interest(temp, 3, 2))
			if held := count(sensor.take(), wire.Interest) == 0; held != c.sleep {
				t.Errorf("held %v, want %v", held, c.sleep)
			}
			if s := l.n.Worker(0).Stats(); s.Sleepers > 0 != c.sleep {
				t.Errorf("%d sleepers", s.Sleepers)
			}
			other := l.asker(l.n)
			other.send(l.interest("010204010000", 3, 2)) // the entry is for its name alone
			other.returned(wire.ReturnNoRoute)
		})
	}
}

func TestP8OnlyWhatIsAdmitted(t *testing.T) {
	l := newLine(t, 0)
	first := l.peer(l.n, plain())
	first.send(l.content(temp, 1, "x"))
	second := l.peer(l.n, proxy())
	second.send(l.sleepy(temp, 5, true))
	second.dropped(drop.SecondProducer)
	if s := l.n.Worker(0).Stats(); s.Sleepers != 0 {
		t.Errorf("%d sleepers", s.Sleepers)
	}
}

func TestP8AtMostSixteenHeld(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, proxy())
	sensor.send(l.sleepy(temp, 100, true))
	for seq := uint32(1); seq <= 16; seq++ {
		l.reader.send(l.interest(temp, seq, 60))
	}
	l.reader.nothing()
	l.reader.send(l.interest(temp, 17, 60))
	l.reader.returned(wire.ReturnCongestion)
	sensor.send(l.sleepy(temp, 101, true))
	if got := sensor.take(); count(got, wire.Interest) != 16 {
		t.Errorf("got %s", show(got))
	}
	l.m.RunFor(time.Minute)
	l.reader.send(l.interest(temp, 17, 60))
	l.reader.nothing()
}

// What is asked again and again is held once.
func TestP8ARepeatedInterestTakesOnePlace(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, proxy())
	sensor.send(l.sleepy(temp, 100, true))
	for range 40 {
		l.reader.send(l.interest(temp, 1, 2))
		l.m.RunFor(3 * time.Second)
	}
	l.reader.nothing()
	l.reader.send(l.interest(temp, 2, 60))
	l.reader.nothing()
	l.reader.send(l.interest(temp, 1, 60))
	sensor.send(l.sleepy(temp, 101, true))
	if got := sensor.take(); count(got, wire.Interest) != 2 {
		t.Errorf("got %s, want two Interests", show(got))
	}
}

func TestP8TheDeviceGoesToAnotherFace(t *testing.T) {
	l := newLine(t, 0)
	here, there := l.peer(l.n, proxy()), l.peer(l.n, proxy())
	here.send(l.sleepy(temp, 1, true))
	l.n.Do(func(n *forward.Node) { n.SetUp(l.m.Now(), here.face.Get().ID(), false) })
	there.send(l.sleepy(temp, 2, true))
	l.reader.send(l.interest(temp, 9, 60))
	there.nothing()
	there.send(l.sleepy(temp, 3, true))
	there.wants(wire.Interest, 9)
	if s := l.n.Worker(0).Stats(); s.Sleepers != 1 {
		t.Errorf("%d sleepers", s.Sleepers)
	}
}

func TestP8TheBitIsClearedWhenRelayed(t *testing.T) {
	l := newLine(t, 0)
	sensor := l.peer(l.n, proxy())
	l.reader.send(l.interest(temp, wire.SeqSubscribe, 60))
	sensor.send(l.sleepy(temp, 5, true))
	if got := l.reader.wants(wire.Content, 5); got.ProxyMe {
		t.Error("ProxyMe is set")
	}
}

// Who sleeps longer than a producer may be silent, or an on-demand face be idle, is held for all the same.
func TestP8SleepersOutlastHoldAndIdle(t *testing.T) {
	k := newKit(t, 3)
	n := k.node(1)
	policy := proxy()
	l := &forward.Listener{Policy: policy}
	reader, sensor := k.asker(n), k.call(n, l, 1, 1)
	sensor.send(k.sleepy(temp, 5, true))
	for range 5 {
		k.m.RunFor(time.Hour)
	}
	if sensor.face == nil {
		t.Fatal("the face was closed for idleness")
	}
	reader.send(k.interest(temp, 0, 4)) // P-15 a
	reader.wants(wire.Content, 5)
	reader.send(k.interest(temp, 3, 60))
	reader.nothing()
	sensor.send(k.sleepy(temp, 6, true))
	if got := sensor.take(); len(got) != 1 || got[0].Type != wire.Interest || got[0].Seq != 3 {
		t.Errorf("got %s", show(got))
	}
	sensor.send(k.sleepy(temp, 7, false))
	k.m.RunFor(3 * time.Minute)
	if sensor.face != nil {
		t.Error("awake and silent, but its face stays")
	}
}

// The state of a sleeper: when it was heard, what is held for it, and the command that it wants next.
func TestP8TheStateOfASleeper(t *testing.T) {
	const commands = "010909010000"
	l := newLine(t, 0, workers(4))
	device, operator := l.peer(l.n, proxy()), l.peer(l.n, plain())
	operator.send(l.content(commands, 1, "x"))
	state := func() forward.Sleeper {
		t.Helper()
		list := l.n.Sleepers(l.m.Now())
		if len(list) != 1 || list[0].Name != nm(temp) || list[0].Face != device.face.Get() {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	device.send(l.interest(commands, 9, 0)) // before it was known
	device.send(l.sleepy(temp, 100, true))
	heard := l.m.Now().Mono
	l.reader.send(l.interest(temp, 3, 60))
	l.reader.send(l.interest(temp, 4, 60))
	if s := state(); s.Held != 2 || heard-s.Heard > 20*time.Millisecond || s.Pull != (forward.Pull{}) {
		t.Errorf("%+v", s)
	}
	device.send(l.interest(temp, 100, 4)) // P-13: its own
	device.send(l.interest(commands, 1, 1))
	device.send(l.interest(commands, 2, 0))
	if s := state(); s.Pull != (forward.Pull{Name: nm(commands), Next: 2}) {
		t.Errorf("%+v", s)
	}
	l.m.RunFor(10 * time.Second)
	device.send(l.interest(commands, 7, 0)) // not while it is awake
	l.m.RunFor(time.Minute)
	if s := state(); s.Pull.Next != 2 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
	device.send(l.sleepy(temp, 101, false))
	if list := l.n.Sleepers(l.m.Now()); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
