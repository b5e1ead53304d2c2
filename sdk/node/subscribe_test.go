package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

func TestSubscribeFromNow(t *testing.T) {
	for _, loss := range []float64{0, 0.3} {
		for seed := range uint64(20) {
			inBubble(t, seed, faults{loss: loss, delay: time.Millisecond}, func(r *rig) {
				r.publish(1, 500)
				s := r.subscribe(Now)
				time.Sleep(5 * time.Second) // Next is not needed for it
				r.publish(501, 520)
				r.expectNumbers(s, 501, 520)
			})
		}
	}
}

func TestSubscribeFromNowBeforeAnythingIsPublished(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		s := r.subscribe(Now)
		r.expectNothing(s, 10*time.Minute)
		r.publish(65, 70)
		r.expectNumbers(s, 65, 70)
	})
}

// A stream that begins while the subscription is opened, and never pauses as long as a frame may be overtaken, is given all the same.
func TestSubscribeFromNowToAStreamThatBeginsAndNeverPauses(t *testing.T) {
	for _, jitter := range []time.Duration{0, 30 * time.Millisecond} {
		inBubble(t, 1, faults{delay: time.Millisecond, jitter: jitter}, func(r *rig) {
			s := r.subscribe(Now)
			time.Sleep(time.Second) // it is told that there is nothing yet
			go func() {
				for seq := uint32(1); seq <= 500; seq++ {
					r.publish(seq, seq)
					time.Sleep(reorderWait * 2 / 5)
				}
			}()
			u, ok := r.nextWithin(s, 3*reorderWait)
			if !ok || u.Seq != 1 {
				r.t.Fatalf("%v %v, want number 1", u, ok)
			}
			r.expectNumbers(s, 2, 500)
		})
	}
}

// Another subscription of the same node reads old numbers: they are neither now nor a new epoch.
func TestSubscriptionsOfOneNodeDoNotDisturbEachOther(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, seed, faults{delay: time.Millisecond, copies: 0.5, jitter: 20 * time.Millisecond}, func(r *rig) {
			r.publish(1, 300)
			old := r.subscribe(1)
			time.Sleep(60 * time.Millisecond)
			live := r.subscribe(Now)
			time.Sleep(time.Second)
			r.publish(301, 310)
			r.expectNumbers(live, 301, 310)
			r.expectNumbers(old, 1, 310)
			again := r.subscribe(200)
			r.expectNumbers(again, 200, 310)
			for seq := uint32(1); seq < 20; seq++ {
				if _, err := r.node.Get(r.t.Context(), temperature, seq); err != nil {
					r.t.Fatal(err)
				}
			}
			r.expectNothing(live, time.Minute)
		})
	}
}

func TestNewEpoch(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, seed, faults{delay: time.Millisecond, copies: 0.3, jitter: 10 * time.Millisecond}, func(r *rig) {
			r.publish(5000, 5010)
			s := r.subscribe(5000)
			r.expectNumbers(s, 5000, 5010)
			for seq := uint32(1); seq <= 10; seq++ {
				if seq == 1 {
					r.fw.anew(temperature, 1, payloadOf(1))
				} else {
					r.publish(seq, seq)
				}
				time.Sleep(100 * time.Millisecond)
			}
			r.expect(s, "anew 1")
			r.expectNumbers(s, 2, 10)
		})
	}
}

// A producer that has lost only few numbers: the bytes tell the new contents from copies of the old.
func TestNewEpochThatBeginsNearTheOldEnd(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s := r.subscribe(1)
		for seq := uint32(1); seq <= 40; seq++ {
			r.fw.publish(temperature, seq, "old")
		}
		for range 40 {
			if _, ok := r.nextWithin(s, time.Minute); !ok {
				r.t.Fatal("nothing")
			}
		}
		for seq := uint32(20); seq <= 30; seq++ {
			r.fw.anew(temperature, seq, payloadOf(seq))
		}
		r.expect(s, "anew 20")
		r.expectNumbers(s, 21, 30)
	})
}

func TestWrap(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond, loss: 0.2, jitter: 5 * time.Millisecond}, func(r *rig) {
		s := r.subscribe(wire.SeqLast - 20)
		r.publish(wire.SeqLast-20, 30)
		r.expectNumbers(s, wire.SeqLast-20, 30)
	})
}

func TestRenewals(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(1, 1)
		s := r.subscribe(Now)
		time.Sleep(10*time.Minute + 10*time.Second)
		subscribed, newest := r.fw.count(r.face, ask{temperature, wire.SeqSubscribe}), r.fw.count(r.face, ask{temperature, wire.SeqNewest})
		if subscribed < 40 || subscribed > 44 || newest < subscribed {
			r.t.Errorf("%d subscriptions and %d asks for the newest in ten minutes", subscribed, newest)
		}
		r.publish(2, 2)
		r.expect(s, "2")
		s.Close()
		s.Close()
		if _, err := s.Next(r.t.Context()); !errors.Is(err, ErrClosed) {
			r.t.Errorf("after Close: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if got := r.fw.count(r.face, ask{temperature, wire.SeqSubscribe}); got != subscribed {
			r.t.Errorf("renewed %d times after Close", got-subscribed)
		}
		if len(r.node.subs) != 0 {
			r.t.Error("the node still holds it")
		}
	})
}

// The link is down when the subscription is opened, and for an hour.
func TestSubscriptionOverALinkThatComesUpLater(t *testing.T) {
	for _, from := range []uint32{1, Now} {
		inBubble(t, 1, faults{}, func(r *rig) {
			r.fw.set(func() { r.fw.silent = true })
			r.publish(1, 10)
			s := r.subscribe(from)
			time.Sleep(time.Hour)
			r.fw.set(func() { r.fw.silent = false })
			time.Sleep(40 * time.Second)
			r.publish(11, 20)
			if from == Now {
				from = 11
			}
			r.expectNumbers(s, from, 20)
		})
	}
}

func TestRefusedSubscription(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.fw.refuse[ask{temperature, wire.SeqSubscribe}] = wire.ReturnRefused
		s := r.subscribe(1)
		_, err := s.Next(r.t.Context())
		var ret *ReturnError
		if !errors.As(err, &ret) || ret.Reason != wire.ReturnRefused || ret.Node != 7 {
			r.t.Fatalf("%v", err)
		}
		r.fw.set(func() { clear(r.fw.refuse) })
		r.publish(1, 1)
		for {
			if u, err := s.Next(r.t.Context()); err == nil {
				if textOf(u) != "1" {
					r.t.Errorf("got %s", textOf(u))
				}
				return
			}
		}
	})
}

// A forwarder that has just lost its way says so, and a moment later its store answers: the stream does not wait for the renewal.
func TestNewestIsAskedAgainSoonAfterAReturn(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		r.publish(1, 10)
		newest := ask{temperature, wire.SeqNewest}
		r.fw.set(func() { r.fw.refuse[newest] = wire.ReturnNoRoute })
		time.AfterFunc(2500*time.Millisecond, func() { r.fw.set(func() { clear(r.fw.refuse) }) })
		s := r.subscribe(1)
		began := time.Now()
		r.expectNumbers(s, 1, 10)
		if took := time.Since(began); took > 5*time.Second {
			r.t.Errorf("it took %v", took)
		}
	})
}

func TestSubscribeArguments(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		for _, c := range []struct {
			from uint32
			wild bool
		}{{wire.SeqSubscribe, false}, {1 << 24, false}, {1, true}} {
			if _, err := r.node.Subscribe(temperature, c.from, c.wild); err == nil {
				r.t.Errorf("from %d, wildcard %v", c.from, c.wild)
			}
		}
	})
}

func TestWildcard(t *testing.T) {
	inBubble(t, 1, faults{copies: 0.5, delay: time.Millisecond, jitter: 10 * time.Millisecond}, func(r *rig) {
		other, deeper, foreign := name.Name{1, 2, 9, 1, 0, 0}, name.Name{1, 2, 3, 1, 1, 0}, name.Name{2, 2, 3, 1, 0, 0}
		s, err := r.node.Subscribe(name.Name{1, 2, 0xFF, 1, 0, 0}, Now, true)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, nm := range []name.Name{deeper, foreign} { // what the node asks for besides is none of its business
			r.fw.publish(nm, 1, "x")
			if _, err := r.node.Get(r.t.Context(), nm, 1); err != nil {
				r.t.Fatal(err)
			}
		}
		got := map[string]int{}
		for seq := uint32(1); seq <= 100; seq++ {
			r.fw.publish(temperature, seq, payloadOf(seq))
			r.fw.publish(other, seq, payloadOf(seq))
			time.Sleep(time.Second)
			for range 2 {
				u, ok := r.nextWithin(s, time.Minute)
				if !ok {
					r.t.Fatal("nothing")
				}
				got[fmt.Sprint(u.Name, u.Seq)]++
			}
		}
		if len(got) != 200 {
			r.t.Errorf("%d contents", len(got))
		}
		r.expectNothing(s, time.Minute)
	})
}

func TestWildcardOfASlowSubscriber(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		s, err := r.node.Subscribe(name.Name{1, 0xFF, 0xFF, 0xFF, 0, 0}, Now, true)
		if err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(time.Second)
		const all = 10_000
		for seq := uint32(1); seq <= all; seq++ {
			r.fw.publish(temperature, seq, payloadOf(seq))
			if seq%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		sum := uint64(0)
		for sum < all {
			u, ok := r.nextWithin(s, time.Second)
			if !ok {
				r.t.Fatalf("%d of %d are given or counted", sum, all)
			}
			sum += 1 + u.Missed
		}
		if s.wild.queue != nil && cap(s.wild.queue) > 4*crowdMost || len(s.wild.now)+len(s.wild.before) > 2*seenMost {
			r.t.Errorf("holds %d, remembers %d", cap(s.wild.queue), len(s.wild.now)+len(s.wild.before))
		}
	})
}

// Many subscriptions and asks, closed in the middle: the bubble fails if a goroutine is left.
func TestCloseWhileBusy(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, seed, faults{loss: 0.2, delay: time.Millisecond, jitter: 5 * time.Millisecond}, func(r *rig) {
			r.publish(1, 2000)
			done := make(chan error)
			const busy = 30
			for i := range busy {
				go func() {
					switch i % 3 {
					case 0:
						s, err := r.node.Subscribe(temperature, uint32(i)*10, false)
						for err == nil {
							_, err = s.Next(context.Background())
						}
						done <- err
					case 1:
						_, err := r.node.Get(context.Background(), name.Name{9, byte(i)}, 1)
						for err == nil || !errors.Is(err, ErrClosed) {
							_, err = r.node.Get(context.Background(), name.Name{9, byte(i)}, 1)
							time.Sleep(time.Millisecond)
						}
						done <- err
					default:
						s, _ := NewStream(name.Name{8, byte(i)}, None, nil, nil)
						var err error
						for seq := uint32(1); err == nil; seq++ {
							err = r.node.PublishConfirmed(context.Background(), s, seq, []byte("x"))
						}
						done <- err
					}
				}()
			}
			time.Sleep(time.Duration(seed) * 50 * time.Millisecond)
			if err := r.node.Close(); err != nil {
				r.t.Error(err)
			}
			for range busy {
				if err := <-done; !errors.Is(err, ErrClosed) {
					r.t.Error(err)
				}
			}
			if _, err := r.node.Subscribe(temperature, 1, false); !errors.Is(err, ErrClosed) {
				r.t.Error(err)
			}
		})
	}
}

func TestGetAll(t *testing.T) {
	inBubble(t, 1, faults{}, func(r *rig) {
		pattern := name.Name{1, 2, 0xFF, 1, 0, 0}
		time.AfterFunc(time.Second, func() {
			for i := byte(1); i <= 3; i++ {
				nm := name.Name{1, 2, i, 1, 0, 0}
				r.fw.publish(nm, 5, "a")
				r.fw.set(func() { r.fw.send(r.face, wire.Header{Name: nm, Seq: 5, Type: wire.Content, TTL: 7}, []byte("a")) })
			}
			r.fw.set(func() {
				r.fw.send(r.face, wire.Header{Name: name.Name{9, 2, 1, 1}, Seq: 5, Type: wire.Content}, nil)
				r.fw.send(r.face, wire.Header{Name: name.Name{1, 2, 1, 1}, Seq: 6, Type: wire.Content}, nil)
			})
		})
		ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
		defer cancel()
		got := 0
		err := r.node.GetAll(ctx, pattern, 5, func(c Content) error {
			if got++; c.Seq != 5 {
				r.t.Errorf("%+v", c)
			}
			return nil
		})
		if err != nil || got != 3 {
			r.t.Errorf("%d contents, %v", got, err)
		}
		if len(r.node.wild) != 0 {
			r.t.Error("the node still holds it")
		}
	})
}
