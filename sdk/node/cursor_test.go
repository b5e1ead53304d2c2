package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

func openCursor(t *testing.T, dir string) *Cursor {
	t.Helper()
	c, err := OpenCursor(dir, "mine", temperature)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCursor(t *testing.T) {
	dir := t.TempDir()
	c := openCursor(t, dir)
	if at, ok := c.Position(); ok {
		t.Errorf("a new cursor is at %d", at)
	}
	if _, err := OpenCursor(dir, "mine", temperature); runtime.GOOS == "linux" && !errors.Is(err, ErrCursorInUse) {
		t.Errorf("used twice: %v", err)
	}
	for _, bad := range []uint32{0, wire.SeqSubscribe} {
		if err := c.Commit(bad); err == nil {
			t.Errorf("takes %d", bad)
		}
	}
	for _, at := range []uint32{5, 7, 7, 1} {
		if err := c.Commit(at); err != nil {
			t.Fatal(err)
		}
		c.Close()
		c = openCursor(t, dir)
		if got, ok := c.Position(); got != at || !ok {
			t.Errorf("at %d, want %d", got, at)
		}
	}
	c.Close()
	for _, bad := range []string{"", ".", "..", "a/b", ".hidden", strings.Repeat("x", 65), "ä"} {
		if _, err := OpenCursor(dir, bad, temperature); err == nil {
			t.Errorf("%q is a cursor's name", bad)
		}
	}
	file := filepath.Join(dir, "mine", temperature.String())
	for _, bad := range []string{"", "5", "0\n", "16777215\n", "x\n", "5\n6\n"} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCursor(dir, "mine", temperature); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whoever goes on at a position misses nothing and gets nothing twice, at the wrap of the numbers too.
func TestResume(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		r.publish(wire.SeqLast-2, wire.SeqLast)
		s := r.subscribe(wire.SeqLast - 2)
		r.expectNumbers(s, wire.SeqLast-2, wire.SeqLast)
		at, known := s.Position()
		if at != 1 || !known {
			t.Fatalf("at %d, %v; want 1, behind the last", at, known)
		}
		s.Close()
		s, err := r.node.Resume(temperature, at)
		if err != nil {
			t.Fatal(err)
		}
		r.expectNothing(s, 2*time.Minute) // 1 is not the oldest there is
		r.publish(1, 5)
		r.expectNumbers(s, 1, 3)
		if at, _ := s.Position(); at != 4 {
			t.Errorf("at %d, want 4", at)
		}
		if _, err := r.node.Resume(temperature, Now); err == nil {
			t.Error("goes on from nowhere")
		}
	})
}

// What is lost is behind the position only when it was told.
func TestPositionBeforeALostRange(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		s := r.subscribe(Now)
		if at, known := s.Position(); known {
			t.Errorf("at %d before anything came", at)
		}
		time.Sleep(time.Second)
		r.publish(1, 2)
		r.expectNumbers(s, 1, 2)
		r.publish(6, 6)
		time.Sleep(time.Minute)
		if at, _ := s.Position(); at != 3 {
			t.Errorf("at %d, want 3", at)
		}
		r.expect(s, "3-5")
		if at, _ := s.Position(); at != 6 {
			t.Errorf("at %d, want 6", at)
		}
	})
}

func TestSubscribeSince(t *testing.T) {
	inBubble(t, 1, faults{delay: time.Millisecond}, func(r *rig) {
		r.publish(1, 5)
		at, answers := time.Now(), []uint32{}
		number := func(_ context.Context, nm name.Name, when time.Time) (seq uint32, err error) {
			if nm != temperature || !when.Equal(at) {
				t.Errorf("asked for %s of %s", when, nm)
			}
			if len(answers) == 0 {
				return 0, os.ErrDeadlineExceeded
			}
			seq, answers = answers[0], answers[1:]
			return seq, nil
		}
		since := func(of ...uint32) *Subscription {
			answers = of
			s, err := r.node.SubscribeSince(r.t.Context(), temperature, at, number)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		r.expectNumbers(since(3), 3, 5)
		s := since(0, 0)
		r.expectNothing(s, time.Minute)
		r.publish(6, 6)
		r.expect(s, "6")
		s = since(0, 6) // it came between the answer and "now"
		r.expect(s, "6")
		if _, err := r.node.SubscribeSince(r.t.Context(), temperature, at, number); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}
