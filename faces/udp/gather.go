package udp

import "time"

// gather decides whether a reader waits for the next datagram, or sleeps a moment so that several come together: at a moderate rate almost all that a
// frame costs is the wake-up. It looks at what reads gave, and reads the clock once in gatherWindow of them.
//
// Who asks for one thing at a time must not be kept waiting, and between two reads that looks the same as a moderate rate. So it tries naps and
// compares: if they brought one datagram each, or fewer datagrams a second than before, the peers were waiting for an answer, and
// nothing is tried again for a while, each time for twice as long. A nap comes after a burst was answered, and only
// while the peers send all the same.
type gather struct {
	nap  time.Duration // to sleep before a read; 0: none
	full bool          // the last read took all that it could: the next one finds more
	busy bool          // it took so much that the next one may find something

	turns, frames int           // reads and datagrams since mark
	mark          time.Duration // when they began
	before        float64       // datagrams a second without naps
	checks        int           // passed since the naps began
	rest, pause   int           // reads until naps may be tried, and how many those were
}

const (
	// gatherWindow is how many reads are looked at before naps, and between two checks of them.
	gatherWindow = 64

	// firstCheck is after how many naps it is first looked whether they gather anything.
	firstCheck = 8

	// napChecks is after how many checks the rate without naps is measured again.
	napChecks = 64

	// shortGap is the time between reads below which they do not wait at all, longGap that between datagrams above which a nap delays them for longer than
	// what it saves is worth.
	shortGap, longGap = 20 * time.Microsecond, 70 * time.Microsecond

	// timerSlack is how much longer the kernel lets a thread sleep (PR_SET_TIMERSLACK in prctl(2)).
	timerSlack = 50 * time.Microsecond

	// shortNap is asked for when the slack alone is long enough.
	shortNap = 10 * time.Microsecond

	// fullBurst is from how many datagrams a read on the wake-up is little for each of them.
	fullBurst = 4

	// shortPause and longPause bound for how many reads naps are not tried after they were of no use.
	shortPause, longPause = 256, 1 << 16
)

// took is called after each read that gave datagrams.
func (g *gather) took(frames int, clock func() time.Duration) {
	g.full, g.busy = frames >= Burst, frames >= fullBurst
	if g.rest > 0 {
		g.rest--
		return
	}
	if g.turns == 0 && g.nap == 0 {
		g.mark = clock()
	}
	g.turns++
	g.frames += frames
	switch {
	case g.nap > 0 && g.checks == 0 && g.turns == firstCheck && !g.gathers():
		g.refuse()
	case g.turns < gatherWindow:
	case g.nap > 0:
		g.check(clock())
	default:
		g.try(clock())
	}
}

// sleeps tells whether to sleep before the next read.
func (g *gather) sleeps() bool { return g.nap > 0 && !g.full }

// try begins to nap if the rate was moderate: so long that two datagrams come meanwhile.
func (g *gather) try(now time.Duration) {
	d := now - g.mark
	gap := d / time.Duration(g.frames)
	if g.frames < fullBurst*g.turns && d >= shortGap*gatherWindow && gap <= longGap {
		g.nap = max(2*gap-timerSlack, shortNap)
	}
	g.before, g.checks = g.rate(now), 0
	g.restart(now)
}

// check goes on with naps that gather something, and that did not lower the rate when they began.
func (g *gather) check(now time.Duration) {
	if !g.gathers() || g.checks == 0 && g.rate(now) < 0.85*g.before {
		g.refuse()
		return
	}
	if g.checks++; g.checks == napChecks {
		g.nap, g.pause = 0, 0
	}
	g.restart(now)
}

// gathers tells whether naps bring more than one datagram each.
func (g *gather) gathers() bool { return 4*g.frames >= 5*g.turns }

func (g *gather) refuse() {
	g.pause = min(max(2*g.pause, shortPause), longPause)
	g.nap, g.rest = 0, g.pause
	g.restart(0)
}

func (g *gather) restart(now time.Duration) { g.turns, g.frames, g.mark = 0, 0, now }

func (g *gather) rate(now time.Duration) float64 {
	return float64(g.frames) / max(now-g.mark, 1).Seconds()
}
