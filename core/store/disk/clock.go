package disk

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// A gateway's clock may begin in 1970, jump forward by years when it is set, or be set wrong for a while. By such a clock the
// whole store would be past its retention at once. So the store believes how much time has gone by only from the monotonic
// clock: a step of the wall clock is counted, and the dates of the hours that go by the same clock are moved along with it (hour.shift).
//
// What was stored by another clock, such as the hours of earlier years where this run began in 1970, keeps its dates: see
// Store.dateHours. And nothing goes by its age in the first minutes after a start or a step, so that there is time to set the clock.
type wallClock struct {
	wall func() int64
	mono func() time.Duration

	mu       sync.Mutex
	lastWall int64
	lastMono time.Duration
	steps    int64         // sum of all steps in this run, in ms
	doubted  time.Duration // mono at the start or at the latest step
}

const (
	// clockSlack is the largest difference that is followed without a word: slewing, and the time between two looks.
	clockSlack = time.Minute
	// clockTrust is how long a clock must have run evenly before hours go by age.
	clockTrust = 10 * time.Minute
)

func (c *wallClock) init(wall func() int64, mono func() time.Duration) {
	c.wall, c.mono = wall, mono
	c.lastWall, c.lastMono = c.read()
	c.doubted = c.lastMono
}

// now gives the wall time and the sum of steps up to now.
func (c *wallClock) now() (wall, steps int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, mono := c.read()
	step := wall - c.lastWall - (mono - c.lastMono).Milliseconds()
	if step > clockSlack.Milliseconds() || step < -clockSlack.Milliseconds() {
		c.steps += step
		c.doubted = mono
	}
	c.lastWall, c.lastMono = wall, mono
	return wall, c.steps
}

// read reads both clocks at one moment: a pause between the two would look like a step.
func (c *wallClock) read() (wall int64, mono time.Duration) {
	for before := c.mono(); ; before = mono {
		if wall, mono = c.wall(), c.mono(); mono-before < time.Second {
			return wall, mono
		}
	}
}

// trusted tells whether the clock has run evenly for long enough.
func (c *wallClock) trusted() bool {
	c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastMono-c.doubted >= clockTrust
}

// lag is what is added to a date in h to have it by the clock of now.
func (h *hour) lag(steps int64) int64 {
	if h.foreign {
		return h.shift
	}
	return h.shift + steps - h.begun
}

// ended tells whether a content that arrives now belongs into another hour: behind the end, or so far in front of the
// beginning that the clock was set back while no node ran.
func (h *hour) ended(wall, steps, length int64) bool {
	start := h.start + h.lag(steps)
	return h.foreign || wall >= start+length || wall < start-length
}

// past tells whether all in h is past its retention.
func (h *hour) past(wall, steps, length int64, retention time.Duration) bool {
	return wall-(h.start+h.lag(steps)+length) > retention.Milliseconds()
}

// dateHours tells which of the hours that were found go by the clock of this run: the latest if it began before now and not longer ago
// than a retention, and each one before it that stands so to the one behind it. hours are by number, without the kept one.
func (s *Store) dateHours(hours []*hour, wall int64) {
	reach := s.cfg.hourMillis() + s.cfg.Retention.Milliseconds()
	for i := len(hours) - 1; i >= 0; i-- {
		h := hours[i]
		start := h.start + h.shift
		if start > wall+clockSlack.Milliseconds() || wall-start > reach {
			for _, earlier := range hours[:i+1] {
				earlier.foreign = true
			}
			return
		}
		wall = start
	}
}

// shiftName is a file in an hour whose dates are not by the clock that the node has now: the difference in ms.
const shiftName = "SHIFT"

// noteSteps writes down by how much the dates of hours are off since the clock was set. Only the committer calls it.
func (s *Store) noteSteps() error {
	_, steps := s.clock.now()
	if steps == s.noted {
		return nil
	}
	for _, h := range s.hours[1:] {
		if h.foreign {
			continue
		}
		text := strconv.FormatInt(h.lag(steps), 10) + "\n"
		if err := s.writeFile(h.dir, shiftName, text); err != nil {
			return err
		}
	}
	s.cfg.Event(Event{Kind: ClockStepped, Dir: s.cfg.Dir, By: time.Duration(steps-s.noted) * time.Millisecond})
	s.noted = steps
	return nil
}

// readShift reads what noteSteps wrote. A file that the power went over says nothing.
func (s *Store) readShift(dir string) int64 {
	text, err := s.readFile(dir, shiftName)
	if err != nil {
		return 0
	}
	shift, _ := strconv.ParseInt(strings.TrimSuffix(text, "\n"), 10, 64)
	return shift
}
