package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/zmesh/zmesh/core/wire"
)

// target is a forwarder or a raw server, with the sockets that load it.
type target struct {
	label    string
	scenario string
	at       netip.AddrPort
	child    *child                        // nil: it runs already
	cpuAt    func() (time.Duration, error) // of one that runs already; nil: not known
	maker    *maker

	consumer, producer, subscriber *socket
	sources                        []netip.Addr // of the subscribers, or of who asks, on one socket; empty: one, under the socket's own
	ways                           []*sockaddr  // to the target from each of them
	subscribed                     time.Time
	next                           numbers
	leg                            leg

	total          tally
	rounds         []tally
	last           tally             // of the leg before
	before         uint64            // resident bytes when the first leg began
	resident       []uint64          // and after each round
	samples        []Sample          // and after each tenth of the time
	dropped        map[string]uint64 // by the forwarder, before the first leg
	unsent, unread uint64            // by the load itself, by then
}

// lostHere is how many datagrams the load has lost itself: what its sockets had no room for, and what came and was not read in time.
func (t *target) lostHere() (unsent, unread uint64) {
	for _, s := range []*socket{t.consumer, t.producer, t.subscriber} {
		unsent += s.full
		unread += s.overflow()
	}
	return unsent, unread
}

// begin is called when all is set up.
func (t *target) begin(ctx context.Context) (err error) {
	t.before = t.memory()
	t.unsent, t.unread = t.lostHere()
	if t.child != nil && !t.child.raw {
		t.dropped, err = t.child.drops(ctx)
	}
	return err
}

// sample notes how much memory is resident, once for each tenth of the time.
func (t *target) sample(of time.Duration) {
	if at := t.total.wall; at >= of/10*time.Duration(len(t.samples)+1) {
		t.samples = append(t.samples, Sample{At: at, Bytes: t.memory()})
	}
}

// openSockets binds the sockets that a scenario needs, on the loopback or, for a target elsewhere, on any address.
func (t *target) openSockets(with offload, faces int, loopback bool, v6 bool) (err error) {
	any, local := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if v6 {
		any, local = netip.IPv6Unspecified(), netip.IPv6Loopback()
	}
	if !loopback {
		local = any
	}
	own, many := netip.AddrPortFrom(local, 0), netip.AddrPortFrom(any, 0)
	asks, subscribes := own, own
	switch {
	case faces <= 1:
	case v6 || !loopback:
		return usagef("more than one face needs a forwarder on 127.0.0.1, since each has an address of 127.1.0.0/16")
	case t.asked():
		asks = many
	default:
		subscribes = many
	}
	for i := range faces {
		if faces > 1 {
			t.sources = append(t.sources, netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}))
		}
	}
	if t.consumer, err = openSocket(asks, with); err != nil {
		return err
	}
	if t.producer, err = openSocket(own, with); err != nil {
		return err
	}
	t.subscriber, err = openSocket(subscribes, with)
	return err
}

// asked tells that the faces of a scenario are who asks: there are no subscribers.
func (t *target) asked() bool { return t.scenario == Hit || t.scenario == Miss }

// connect makes the sockets hear the target alone.
func (t *target) connect() error {
	err := t.producer.connect(t.at)
	if many := len(t.sources) > 0; !many || !t.asked() {
		err = errors.Join(err, t.consumer.connect(t.at))
	}
	if len(t.sources) == 0 || t.asked() {
		err = errors.Join(err, t.subscriber.connect(t.at))
	}
	for _, from := range t.sources {
		t.ways = append(t.ways, rawFrom(from, t.at))
	}
	return err
}

func (t *target) close() error {
	for _, s := range []*socket{t.consumer, t.producer, t.subscriber} {
		if s != nil {
			s.close()
		}
	}
	if t.child != nil {
		return t.child.end()
	}
	return nil
}

// active are the sockets on which something comes in.
func (t *target) active() []*socket {
	switch t.scenario {
	case Hit:
		return []*socket{t.consumer}
	case Miss:
		return []*socket{t.producer, t.consumer}
	case Publish, Fanout:
		return []*socket{t.subscriber}
	}
	return []*socket{t.producer, t.consumer, t.subscriber}
}

// isRaw tells a raw server, whose answers are nobody's frames.
func (t *target) isRaw() bool { return t.child != nil && t.child.raw }

func (t *target) cpu() (time.Duration, error) {
	switch {
	case t.child != nil:
		cpu, err := cpuOf(t.child.pid())
		return cpu, errors.Join(err, t.child.gone())
	case t.cpuAt != nil:
		return t.cpuAt()
	}
	return 0, nil
}

// goesOn tells why a measurement is to end early; nil: it is not.
func (t *target) goesOn(ctx context.Context) error {
	if err := ctx.Err(); err != nil || t.child == nil {
		return err
	}
	return t.child.gone()
}

func (t *target) memory() uint64 {
	if t.child == nil {
		return 0
	}
	n, _ := memoryOf(t.child.pid()) // 0 if it has ended, which the next leg tells
	return n
}

// leg runs one leg of at most n exchanges.
func (t *target) runLeg(ctx context.Context, o *Options, n int, p pace, verify bool) (*tally, error) {
	t.maker.makeLeg(&t.leg, t.scenario, n, o.names(), &t.next)
	r := &run{leg: &t.leg, t: t, m: t.maker, names: o.names(), copies: t.copies(), pace: p, verify: verify && !t.isRaw()}
	out, err := r.drive(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.label, err)
	}
	return out, nil
}

// copies is how many subscribers there are.
func (t *target) copies() int32 {
	if t.asked() {
		return 1
	}
	return int32(max(1, len(t.sources)))
}

// way is where exchange i asks: a connected socket needs no address.
func (t *target) way(i int) *sockaddr {
	if len(t.ways) == 0 || !t.asked() {
		return nil
	}
	return t.ways[i%len(t.ways)]
}

// Bounds of setting up.
const (
	setupChunk   = 256
	setupPatient = 3 * time.Second
	setupTries   = 8
)

// prepare publishes what is to be asked for, subscribes, and checks that an exchange works, the MAC and the length of its answer
// included.
func (t *target) prepare(ctx context.Context, o *Options) error {
	for _, c := range pattern[t.scenario] {
		if c == classHit {
			if err := t.fill(ctx, o); err != nil {
				return err
			}
			break
		}
	}
	for try := 1; ; try++ {
		t.subscribe(o)
		if t.child == nil {
			t.claim(o)
		}
		p := pace{window: min(setupChunk, o.window()), until: time.Minute, patient: setupPatient}
		got, err := t.runLeg(ctx, o, min(4*setupChunk, max(64, int(min(o.names(), 1<<20)))), p, true)
		switch {
		case err != nil:
			return err
		case got.done == got.opened:
			return ctx.Err()
		case try == setupTries:
			return fmt.Errorf("%s: of %d exchanges before the measurement %d were answered and %d returned: %s", t.label, got.opened, got.done, got.returned, t.advice())
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// advice says what to look at when the exchanges do not work.
func (t *target) advice() string {
	if t.child != nil {
		return "is the machine busy?"
	}
	return "does its listener let 01 be published, and has --config its network key?"
}

// fill publishes the contents of the hits, and asks for them until they are there.
func (t *target) fill(ctx context.Context, o *Options) error {
	if t.isRaw() {
		return nil
	}
	var buf []byte
	for first := uint64(0); first < o.names(); first += setupChunk {
		n := min(setupChunk, o.names()-first)
		for try := 1; ; try++ {
			buf = buf[:0]
			for i := range n {
				start := len(buf)
				buf = t.maker.stored(buf, first+i)
				t.producer.queue(nil, buf[start:])
				t.producer.flush()
			}
			filled, err := t.filled(ctx, first, n)
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			if filled {
				break
			}
			if try == setupTries {
				return fmt.Errorf("%s: what was published is not in its store: %s", t.label, t.advice())
			}
		}
	}
	return nil
}

// filled asks for n contents of hits and tells whether all came.
func (t *target) filled(ctx context.Context, first, n uint64) (bool, error) {
	var next numbers
	next[classHit] = first
	l := new(leg)
	t.maker.makeLeg(l, Hit, int(n), first+n, &next)
	as := *t
	if !t.asked() { // its many faces are subscribers
		as.ways = nil
	}
	as.scenario = Hit
	r := &run{
		leg: l, t: &as, m: t.maker, names: first + n, copies: 1, verify: true,
		pace: pace{window: setupChunk, until: time.Minute, patient: setupPatient},
	}
	got, err := r.drive(ctx)
	return err == nil && got.done == n, err
}

// renew subscribes again before a subscription has run out: a forwarder grants two minutes to who came by itself (P-11).
func (t *target) renew(o *Options) {
	if time.Since(t.subscribed) > subscribeExpiry*time.Second/2 {
		t.subscribe(o)
	}
}

// subscribe asks for everything that is going to be published, from every subscriber.
func (t *target) subscribe(o *Options) {
	if t.asked() {
		return
	}
	t.subscribed = time.Now()
	now := unixMilli()
	for i := range o.names() {
		n := nameOf(classPublish, i)
		if len(t.sources) == 0 {
			t.subscriber.queue(nil, t.maker.interest(nil, n, wire.SeqSubscribe, now))
			t.subscriber.flush()
		}
		for k, way := range t.ways { // each at a time of its own: the same bytes from two addresses are a replay (P-11)
			t.subscriber.queue(way, t.maker.interest(nil, n, wire.SeqSubscribe, now-int64(k))) // what is lost is missed in the exchanges that follow
			t.subscriber.flush()
		}
	}
}

// claim publishes a content of each name that is going to be asked for, so that a forwarder with no route of ours knows its
// producer (P-17).
func (t *target) claim(o *Options) {
	if t.scenario != Miss && t.scenario != Mixed {
		return
	}
	for i := range o.names() {
		t.producer.queue(nil, t.maker.content(nil, nameOf(classMiss, i), 1))
		t.producer.flush()
	}
}
