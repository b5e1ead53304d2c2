package streams

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/mesh"
	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/sdk/node"
)

var (
	readings = name.Name{2, 1, 1, 1}
	commands = name.Name{1, 9, 9, 1}
)

// nap is a sleeper's life: it wakes each minute, at a forwarder two hops from the operator who sends it commands, over a link that loses one frame in ten.
// A consumer subscribes to its readings.
type nap struct {
	*virtual
	awake    time.Duration
	readings uint32
	sent     uint32 // commands
	done     []uint32
}

func (s *nap) live(t *testing.T, span time.Duration, marks [2]*node.Watermark, cursor *node.Cursor) {
	nodes := s.quietChain(2)
	device, radio := s.attach(nodes[1], mesh.LinkConfig{Delay: 2 * time.Millisecond, Loss: 0.1},
		forward.FaceConfig{Publish: name.NewPrefixSet(name.MakePrefix(readings, 1)), Proxy: true})
	operator, _ := s.attach(nodes[0], mesh.LinkConfig{Delay: time.Millisecond}, publishing())
	consumer, _ := s.attach(nodes[1], mesh.LinkConfig{Delay: time.Millisecond}, forward.FaceConfig{})
	s.do(func() { radio.deaf = true })
	sub, err := consumer.Subscribe(readings, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	sleeper := node.NewSleeper(device, node.SleeperConfig{Readings: plain(t, readings), Marks: marks[0], Commands: commands, Cursor: cursor, Handle: func(u node.Update) error {
		if u.Lost {
			t.Errorf("command %d is lost", u.From)
		}
		s.done = append(s.done, u.Seq)
		return nil
	}})
	p := node.NewProducer(operator, plain(t, commands), marks[1])
	rng := rand.New(rand.NewPCG(1, 2))
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	wg.Go(func() { // about one command an hour, sometimes five at once
		for time.Now().Before(end.Add(-time.Hour)) {
			for range 1 + 4*rng.IntN(10)/9 {
				if _, err := p.PublishConfirmed(s.Context(), []byte("do it")); err != nil {
					t.Error(err)
				}
				s.sent++
			}
			time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Hour))))
		}
	})
	for time.Now().Before(end) {
		s.do(func() { radio.deaf = false })
		start := time.Now()
		if err := sleeper.Wake(s.Context(), payload(s.readings+1)); err != nil {
			t.Fatal(err)
		}
		s.awake += time.Since(start)
		s.readings++
		s.do(func() { radio.deaf = true })
		if s.readings == 3 {
			s.looksAsleep(nodes[1])
		}
		time.Sleep(time.Minute - time.Since(start))
	}
	wg.Wait()
	s.read(sub, sleeper)
}

// looksAsleep is what the forwarder says of the device.
func (s *nap) looksAsleep(at *mesh.Node) {
	s.do(func() {
		list := at.Sleepers(s.m.Now())
		if len(list) != 1 || list[0].Name != readings || list[0].Pull.Name != commands || list[0].Pull.Next == 0 {
			s.Errorf("%+v", list)
		}
	})
}

// lately is how many of the last readings may be on their way still.
const lately = 10

// read looks whether the consumer has every reading.
func (s *nap) read(sub *node.Subscription, sleeper *node.Sleeper) {
	waiting, dropped := sleeper.Unconfirmed()
	if dropped != 0 || waiting > lately {
		s.Errorf("%d readings wait, %d were dropped", waiting, dropped)
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
	defer cancel()
	for seq := uint32(1); seq <= s.readings-lately; seq++ {
		u, err := sub.Next(ctx)
		if err != nil || u.Lost || u.Seq != seq || string(u.Payload) != string(payload(seq)) {
			s.Errorf("%+v, %v; want reading %d", u, err, seq)
			return
		}
	}
}

// quietChain is a chain without hellos, which would be most of a week's frames.
func (v *virtual) quietChain(forwarders int) (list []*mesh.Node) {
	v.do(func() {
		for i := range forwarders {
			list = append(list, v.forwarder(nil))
			if i == 0 {
				continue
			}
			_, _, up, err := v.m.Join(list[i-1], list[i], mesh.LinkConfig{Delay: 5 * time.Millisecond}, forward.FaceConfig{}, forward.FaceConfig{})
			if err != nil {
				v.Fatal(err)
			}
			list[i].Do(func(n *forward.Node) { n.AddRoute(v.m.Now(), 0, under01, up.Get().ID(), 1) })
		}
	})
	return list
}

func sleeps(t *testing.T, span time.Duration) {
	dir := t.TempDir()
	var marks [2]*node.Watermark
	for i := range marks {
		var err error
		if marks[i], err = node.OpenWatermark(dir + string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	cursor, err := node.OpenCursor(dir, "commands", commands)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	start := time.Now()
	inVirtual(t, 1, func(v *virtual) {
		s := &nap{virtual: v}
		s.live(v.T, span, marks, cursor)
		for i, seq := range s.done {
			if seq != uint32(i+1) {
				v.Fatalf("command %d after %d others", seq, i)
			}
		}
		if len(s.done) != int(s.sent) || s.sent == 0 {
			v.Errorf("%d of %d commands came", len(s.done), s.sent)
		}
		share := s.awake.Seconds() / span.Seconds()
		if share > 0.01 {
			v.Errorf("awake for %.2f %%, want 1 at most", 100*share)
		}
		v.Logf("%s: %d readings, %d commands, awake for %.2f %% of the time", span, s.readings, s.sent, 100*share)
	})
	t.Logf("in %s", time.Since(start).Round(time.Millisecond))
}

// A device that is awake for less than a hundredth of the time gets every command, in order, and loses no reading.
func TestP8AnAfternoonOfASleeper(t *testing.T) { sleeps(t, 6*time.Hour) }

// TestSoakP8AWeekOfASleeper is a week of it.
func TestSoakP8AWeekOfASleeper(t *testing.T) { sleeps(t, time.Duration(soak(t, 7))*24*time.Hour) }

// What is asked of a sleeping device is held, and answered in its next moment awake: here a forwarder that has lost its store asks for a number that the
// device still has.
func TestP8WhatWasHeldIsAnswered(t *testing.T) {
	marks, err := node.OpenWatermark(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := node.OpenCursor(t.TempDir(), "commands", commands)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	inVirtual(t, 1, func(v *virtual) {
		at := v.quietChain(1)[0]
		device, radio := v.attach(at, mesh.LinkConfig{Delay: 2 * time.Millisecond}, forward.FaceConfig{Publish: name.NewPrefixSet(name.MakePrefix(readings, 1)), Proxy: true})
		consumer, _ := v.attach(at, mesh.LinkConfig{Delay: time.Millisecond}, forward.FaceConfig{})
		sleeper := node.NewSleeper(device, node.SleeperConfig{Readings: plain(v.T, readings), Marks: marks, Commands: commands, Cursor: cursor})
		wake := func(seq uint32) {
			v.do(func() { radio.deaf = false })
			if err := sleeper.Wake(v.Context(), payload(seq)); err != nil {
				v.Fatal(err)
			}
			v.do(func() { radio.deaf = true })
			time.Sleep(time.Minute)
		}
		wake(1)
		wake(2)
		v.do(func() {
			if err := at.Restart(); err != nil {
				v.Fatal(err)
			}
		})
		wake(3)
		var got node.Content
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(v.Context(), 5*time.Minute)
			defer cancel()
			if got, err = consumer.Get(ctx, readings, 1); err != nil {
				v.Error(err)
			}
		})
		time.Sleep(20 * time.Second)
		wake(4)
		wg.Wait()
		if string(got.Payload) != string(payload(1)) {
			v.Errorf("%+v", got)
		}
		v.do(func() {
			if list := at.Sleepers(v.m.Now()); len(list) != 1 {
				v.Errorf("its answer has ended its sleep: %+v", list)
			}
		})
	})
}
