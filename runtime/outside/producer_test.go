package outside

import (
	"testing"
)

// One producer per name: while its face lives, what another face publishes under the name is refused (P-17).
func TestASecondProducerIsRefused(t *testing.T) {
	n := start(t, setup{})
	producer, second, asker := n.peer(), n.peer(), n.peer()
	asker.send(interest(room, subscribe, 60))
	asker.quiet()
	pushes(producer, []*peer{asker}, content(room, 1, "mine"))
	n.counts("second_producer", 2, func() {
		second.publishes(room, 2, "not mine")
		second.publishes(room, 1, "not mine")
	})
	asker.quiet()
	asker.send(interest(room, newest, 2))
	asker.gets(content(room, 1, "mine"))
	second.publishes(temp, 1, "another name is free")
	pushes(producer, []*peer{asker}, content(room, 2, "mine"))
}

// A face from which nothing may be published is believed nothing that nobody asked for.
func TestUnsolicitedContentIsNotAdmitted(t *testing.T) {
	n, up := withUp(t, setup{lan: `publish = ["0102"]`})
	p, asker := n.peer(), n.peer()
	n.counts("unsolicited", 3, func() {
		p.publishes(of("0103"), 1, "not covered by publish")
		p.publishes(of("02"), 1, "not covered by publish")
		up.publishes(room, 1, "no publish at all")
	})
	p.publishes(room, 1, "covered")
	if got := n.host.Store().Names; got != 1 {
		t.Errorf("%d names are stored, want 1", got)
	}
	asker.send(interest(of("0103"), newest, 0))
	if got := asker.next(); got.kind != kindReturn {
		t.Errorf("%v was stored", got)
	}
}

// Solicited content counts only from a face that was asked, and only once.
func TestContentFromAFaceThatWasNotAsked(t *testing.T) {
	elsewhere := socket(t)
	n, up := withUp(t, setup{rest: remote("elsewhere", elsewhere.addr)})
	elsewhere.to(n)
	asker := n.peer()
	asker.send(interest(room, 1, 4))
	up.next()
	n.counts("unsolicited", 2, func() {
		elsewhere.publishes(room, 1, "forged")
		asker.publishes(of("020000000000"), 1, "forged")
	})
	asker.quiet()
	f := content(room, 1, "true")
	up.send(f)
	asker.gets(f.with(6))
	n.counts("unsolicited", 1, func() { up.publishes(room, 2, "nobody asked for 2") })
}

// The same name and number with other bytes: the first stays, the second is counted and goes nowhere.
func TestAConflictLeavesTheFirst(t *testing.T) {
	n, up := withUp(t, setup{})
	asker, pattern := n.peer(), n.peer()
	ask, first := interest(room, 1, 4), content(room, 1, "first")
	asker.send(ask)
	up.gets(ask.with(6))
	up.send(first)
	asker.gets(first.with(6))
	again := interest(of("0102ff01"), 1, 60) // so that the second one is asked for
	pattern.send(again)
	up.gets(again.with(6))
	pattern.gets(first)
	n.counts("conflict", 1, func() { up.publishes(room, 1, "other") })
	asker.send(interest(room, 1, 2))
	asker.gets(first)
	asker.quiet()
	pattern.quiet()
	if got := n.host.Store().Conflicts; got != 1 {
		t.Errorf("the store counts %d conflicts", got)
	}
}

// From the producer itself it may be the beginning of a new epoch (P-1): until that has shown, the first stays too.
func TestAProducersOwnConflictIsKeptAside(t *testing.T) {
	n := start(t, setup{})
	producer, subscriber, asker := n.peer(), n.peer(), n.peer()
	subscriber.send(interest(room, subscribe, 60))
	subscriber.quiet()
	first := content(room, 1, "first")
	pushes(producer, []*peer{subscriber}, first)
	n.counts("suspect", 1, func() { producer.publishes(room, 1, "other") })
	n.counts("duplicate", 1, func() { producer.publishes(room, 1, "first") })
	subscriber.quiet()
	asker.send(interest(room, 1, 2))
	asker.gets(first)
}

// A producer's face is a next hop for its name: what the store does not have, the producer is asked for.
func TestTheProducerIsAsked(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	producer.publishes(room, 5, "x")
	ask, f := interest(room, 4, 4), content(room, 4, "from its own memory")
	asker.send(ask)
	producer.gets(ask.with(6))
	producer.send(f)
	asker.gets(f.with(6))
	ask = interest(room, 3, 4)
	asker.send(ask)
	producer.gets(ask.with(6))
	producer.send(returned(ask, reasonNotHere, 0xC0))
	asker.gets(returned(ask, reasonNotHere, 0xC0))
	asker.quiet()
}

// A number that is far ahead is stored, but it is not the newest until two successors follow (P-17).
func TestAFarJumpIsNotTheNewest(t *testing.T) {
	n := start(t, setup{})
	producer, asker := n.peer(), n.peer()
	f := producer.publishes(room, 5, "x")
	asks := func(want frame) {
		t.Helper()
		asker.send(interest(room, newest, 2))
		asker.gets(want)
	}
	far := producer.publishes(room, 0x7FFFFF, "far")
	asks(f)
	asker.send(interest(room, 0x7FFFFF, 2))
	asker.gets(far)
	asks(producer.publishes(room, 6, "y"))
}

// A producer that starts again from a lower number is believed after three consecutive numbers (P-1).
func TestAProducerThatStartsAgain(t *testing.T) {
	n := start(t, setup{})
	producer, subscriber, asker := n.peer(), n.peer(), n.peer()
	subscriber.send(interest(room, subscribe, 60))
	subscriber.quiet()
	for seq := uint32(1000); seq < 1003; seq++ {
		pushes(producer, []*peer{subscriber}, content(room, seq, "before"))
	}
	n.counts("suspect", 2, func() {
		producer.publishes(room, 1, "again")
		producer.publishes(room, 2, "again")
		subscriber.quiet()
	})
	asker.send(interest(room, newest, 2))
	asker.gets(content(room, 1002, "before"))
	producer.publishes(room, 3, "again")
	for seq := uint32(1); seq <= 3; seq++ {
		subscriber.gets(content(room, seq, "again").with(6))
	}
	subscriber.quiet()
	asker.send(interest(room, newest, 2))
	asker.gets(content(room, 3, "again"))
}

// A producer asks its own number back: the answer is the confirmation, in each class its own way, and the question goes nowhere
// else (P-13).
func TestAProducerIsConfirmed(t *testing.T) {
	t.Parallel()
	for class, c := range map[string]struct {
		store   string
		answer  bool
		commits bool
	}{
		"durable":  {"durability = \"durable\"", true, true},
		"buffered": {"durability = \"buffered\"\nsync_every = \"20ms\"", true, true},
		"memory":   {"durability = \"memory\"", false, false},
	} {
		t.Run(class, func(t *testing.T) {
			n, up := withUp(t, setup{store: c.store})
			producer := n.peer()
			for seq := uint32(1); seq <= 3; seq++ {
				f, ask := content(room, seq, "x"), interest(room, seq, 4)
				producer.send(f)
				producer.send(ask)
				if !c.answer {
					producer.gets(returned(ask, reasonNotHere, n.id))
					continue
				}
				producer.gets(f)
				if got := n.host.Store().Commits; got < uint64(seq) {
					t.Errorf("number %d was confirmed when %d contents were committed", seq, got)
				}
			}
			never := interest(room, 9, 4)
			producer.send(never)
			producer.gets(returned(never, reasonNotHere, n.id))
			producer.quiet()
			up.quiet()
		})
	}
}

// In buffered nothing is confirmed before the next sync; others have the content at once.
func TestBufferedWaitsForTheSync(t *testing.T) {
	n, up := withUp(t, setup{store: "durability = \"buffered\"\nsync_every = \"1h\""})
	producer, asker := n.peer(), n.peer()
	f := producer.publishes(room, 1, "x")
	ask := interest(room, 1, 4)
	producer.send(ask)
	producer.quiet()
	asker.send(interest(room, newest, 2))
	asker.gets(f)
	up.quiet()
}

// What was confirmed is there when the node starts again in the same folder, and answered from the disk.
func TestWhatWasConfirmedOutlivesTheNode(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"durable", "buffered"} {
		t.Run(class, func(t *testing.T) {
			dir, s := folder(t), setup{store: "sync_every = \"20ms\"\ndurability = \"" + class + "\""}
			n, stop := startStop(t, dir, s)
			producer := n.peer()
			var list []frame
			for seq := uint32(1); seq <= 5; seq++ {
				f := content(room, seq, "x")
				producer.send(f)
				producer.send(interest(room, seq, 4))
				producer.gets(f)
				list = append(list, f)
			}
			stop()
			asker := startIn(t, dir, s).peer()
			for _, f := range list {
				asker.send(interest(room, f.seq, 4))
				asker.gets(f)
			}
			asker.send(interest(room, 6, 4))
			if got := asker.next(); got.kind != kindReturn || got.payload[0] != reasonNotHere {
				t.Errorf("%v for what never was", got)
			}
		})
	}
}
