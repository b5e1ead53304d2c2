package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (n *running) lines(t *testing.T, from, to int) {
	t.Helper()
	var in strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&in, "v%d\n", i)
	}
	zmesh(t, in.String(), "pub", topic, "--lines", "--confirm", "--config", n.config).good(t, fmt.Sprintf("#%d durable\n", to))
}

func TestSubCursor(t *testing.T) {
	n := newNode(t, "")
	n.lines(t, 1, 3)
	n.do("sub", topic, "--cursor", "c", "--from", "2", "--count", "1").good(t, "#2 v2\n")
	if got := n.do("sub", topic, "--cursor", "c", "--from", "1", "--count", "1").out; !strings.HasSuffix(got, "#3 v3\n") {
		t.Errorf("the cursor counts, not --from: %q", got)
	}
	n.do("sub", topic, "--cursor", "c", "--for", "300ms").bad(t, exitNothing)
	n.lines(t, 4, 5) // while nobody subscribes
	if got := n.do("sub", topic, "--cursor", "c", "--count", "2").out; !strings.HasSuffix(got, "#4 v4\n"+topic+" #5 v5\n") {
		t.Errorf("%q", got)
	}
	// From now: where that was is remembered, though nothing came.
	n.do("sub", topic, "--cursor", "other", "--for", "700ms").bad(t, exitNothing)
	n.lines(t, 6, 6)
	if got := n.do("sub", topic, "--cursor", "other", "--count", "1").out; !strings.HasSuffix(got, "#6 v6\n") {
		t.Errorf("%q", got)
	}
	n.do("sub", topic, "--cursor", "../x").bad(t, exitUsage, "letters, digits")
	file := filepath.Join(filepath.Dir(n.config), "data", "cursors", "c")
	if err := os.WriteFile(filepath.Join(file, only(t, file)), []byte("7"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.do("sub", topic, "--cursor", "c", "--count", "1").bad(t, exitFailed, "remove it")
}

// only is the name of a folder's file that is no lock.
func only(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), ".lock") {
			return e.Name()
		}
	}
	t.Fatalf("nothing in %s", dir)
	return ""
}

// A subscriber with a cursor is killed (SIGKILL) again and again: each content is printed at least once, in order, and what is printed twice
// is what the cursor did not say yet.
func TestSubCursorKill9(t *testing.T) {
	const all = 150
	n := newNode(t, "")
	n.lines(t, 1, all)
	last, printed := 0, 0
	for round := 0; last < all; round++ {
		if round == 40 {
			t.Fatalf("at %d after %d rounds", last, round)
		}
		cmd := exec.Command(os.Args[0], "sub", topic, "--cursor", "c", "--from", "1", "--config", n.config)
		cmd.Env = append(os.Environ(), asZmesh+"=1")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		want := printed + 20 + rand.IntN(40)
		in := bufio.NewScanner(out)
		for first := true; in.Scan(); first = false {
			var seq int
			if _, err := fmt.Sscanf(strings.TrimPrefix(in.Text(), topic), " #%d v", &seq); err != nil {
				t.Fatal(in.Text(), err)
			}
			if seq != last+1 && !(first && seq <= last) {
				t.Fatalf("round %d: %d after %d", round, seq, last)
			}
			last = seq
			if printed++; printed == want || seq == all {
				time.Sleep(time.Duration(rand.IntN(2)) * 2 * commitEvery) // not to wait: before or after a commit
				_ = cmd.Process.Signal(syscall.SIGKILL)
			}
		}
		_ = cmd.Wait()
	}
	t.Logf("%d contents printed for %d", printed, all)
}

func TestSubSince(t *testing.T) {
	n := newNode(t, "")
	n.lines(t, 1, 2)
	pause := time.Now()
	for time.Since(pause) < 5*time.Millisecond { // the store keeps times in ms
	}
	now := time.Now()
	n.lines(t, 3, 5)
	n.do("sub", topic, "--since", "1h", "--count", "5").good(t, "#1 v1\n", "#5 v5\n")
	if got := n.do("sub", topic, "--since", now.Format(time.RFC3339Nano), "--count", "3").out; !strings.HasPrefix(got, topic+" #3 v3\n") {
		t.Errorf("since %s: %q", now, got)
	}
	n.do("sub", topic, "--since", "0s", "--for", "500ms").bad(t, exitNothing)
	n.do("sub", topic, "--since", "yesterday").bad(t, exitUsage, "90m")
	n.do("sub", topic, "--since", "1h", "--from", "2").bad(t, exitUsage, "from", "since")
	n.do("sub", topic, "--since", "1h", "--admin", "unix:/nowhere.sock").bad(t, exitFailed, "nowhere.sock")
}
