package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

func openMarks(t *testing.T, dir string) *Watermark {
	t.Helper()
	w, err := OpenWatermark(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func take(t *testing.T, w *Watermark, count int) (last uint32) {
	t.Helper()
	for range count {
		seq, err := w.Next(temperature)
		if err != nil {
			t.Fatal(err)
		}
		last = seq
	}
	return last
}

func TestWatermarkCountsAndLeavesNoGapAfterClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "if missing")
	w := openMarks(t, dir)
	if last := take(t, w, 70); last != 70 {
		t.Errorf("the 70th is %d", last)
	}
	if seq, err := w.Next(name.Name{9}); err != nil || seq != 1 {
		t.Errorf("another name begins at %d, %v", seq, err)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Next(temperature); !errors.Is(err, ErrClosed) { // its numbers were given back: another may have them
		t.Errorf("after Close: %v", err)
	}
	if last := take(t, openMarks(t, dir), 1); last != 71 {
		t.Errorf("goes on at %d, want 71", last)
	}
}

// What a crash at each step of a write leaves on the disk: the new file missing, empty, half written or whole but not yet
// renamed; renamed and nothing used; renamed and some used.
func TestWatermarkAfterACrash(t *testing.T) {
	for _, c := range []struct {
		step string
		left string // of the new file; "-": none
		used int
		want uint32
	}{
		{"before anything", "-", 0, 1},
		{"new file empty", "", 0, 1},
		{"new file torn", "12", 0, 1},
		{"new file whole", "129 0000002a\n", 0, 1},
		{"renamed, first used", "-", 1, 65},
		{"new file torn, some used", "12", 30, 65},
		{"last of the block used", "-", 64, 65},
		{"first of the next block used", "-", 65, 129},
	} {
		dir := t.TempDir()
		crashed := openMarks(t, dir)
		take(t, crashed, c.used)
		if c.left != "-" {
			if err := os.WriteFile(crashed.path(temperature)+".new", []byte(c.left), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w := openMarks(t, dir)
		if got := take(t, w, 1); got != c.want {
			t.Errorf("%s: goes on at %d, want %d", c.step, got, c.want)
		}
		if got := take(t, w, 200); got != c.want+200 {
			t.Errorf("%s: 200 later at %d, want %d", c.step, got, c.want+200)
		}
	}
}

// A mark that cannot be written gives an error and no number; afterwards it goes on without one used twice.
func TestWatermarkThatCannotBeWritten(t *testing.T) {
	w := openMarks(t, t.TempDir())
	take(t, w, 64)
	obstacle := w.path(temperature) + ".new"
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if seq, err := w.Next(temperature); err == nil {
			t.Fatalf("number %d without a mark", seq)
		}
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if got := take(t, w, 1); got != 65 {
		t.Errorf("goes on at %d, want 65", got)
	}
}

func TestWatermarkRefusesADamagedFile(t *testing.T) {
	for _, text := range []string{"", "\n", "0 0000002a\n", "-1 x\n", "65 0000002a", "16777216 x\n", "99999999999 x\n", "sixty\n"} {
		w := openMarks(t, t.TempDir())
		if err := os.WriteFile(w.path(temperature), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if seq, err := w.Next(temperature); err == nil {
			t.Errorf("%q gives number %d", text, seq)
		}
	}
}

func TestWatermarkEndsWithTheNumbers(t *testing.T) {
	dir := t.TempDir()
	w := openMarks(t, dir)
	if _, err := w.write(temperature, wire.SeqLast-1); err != nil {
		t.Fatal(err)
	}
	if last := take(t, w, 2); last != wire.SeqLast {
		t.Errorf("%#x", last)
	}
	for range 2 {
		if _, err := w.Next(temperature); !errors.Is(err, ErrNumbersSpent) {
			t.Errorf("after the last: %v", err)
		}
	}
	if err := w.Reset(temperature); err != nil {
		t.Fatal(err)
	}
	if got := take(t, w, 1); got != 1 {
		t.Errorf("with a new key: %d", got)
	}
}

// Close gives back only what nobody has reserved behind, nor begun anew.
func TestWatermarkGivesBackOnlyItsOwn(t *testing.T) {
	dir := t.TempDir()
	a, b := openMarks(t, dir), openMarks(t, dir)
	take(t, a, 10)
	if got := take(t, b, 1); got != 65 {
		t.Fatalf("the second begins at %d", got)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := take(t, b, 1); got != 66 {
		t.Errorf("the second goes on at %d", got)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	old := openMarks(t, dir)
	if got := take(t, old, 1); got != 67 {
		t.Errorf("the third begins at %d", got)
	}
	if err := old.Reset(temperature); err != nil {
		t.Fatal(err)
	}
	first := openMarks(t, dir)
	take(t, first, 30)
	second := openMarks(t, dir)
	if err := second.Reset(temperature); err != nil { // first's mark was 65; second's will be 65 too, and is another
		t.Fatal(err)
	}
	take(t, second, 50)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := take(t, openMarks(t, dir), 1); got != 65 {
		t.Errorf("after a reset under way: %d, want 65", got)
	}
}

// collect takes numbers until it has count, and fails on one that was there before.
type collector struct {
	mu   sync.Mutex
	seen map[uint32]bool
}

func (c *collector) add(t *testing.T, seq uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[seq] {
		t.Errorf("number %d twice", seq)
	}
	c.seen[seq] = true
}

func TestWatermarkWithManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	all := collector{seen: map[uint32]bool{}}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 3 {
				w := openMarks(t, dir)
				for range 2 {
					group.Go(func() {
						for range 40 {
							if seq, err := w.Next(temperature); err == nil {
								all.add(t, seq)
							} else if !errors.Is(err, ErrClosed) {
								t.Error(err)
							}
						}
					})
				}
				for range 100 {
					seq, err := w.Next(temperature)
					if err != nil {
						t.Error(err)
						return
					}
					all.add(t, seq)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if len(all.seen) < 1200 {
		t.Errorf("%d numbers", len(all.seen))
	}
}

// Several processes on one folder; every second one is ended without Close.
func TestWatermarkWithSeveralProcesses(t *testing.T) {
	if dir := os.Getenv("ZMESH_WATERMARK_DIR"); dir != "" {
		printNumbers(t, dir)
		return
	}
	dir := t.TempDir()
	all := collector{seen: map[uint32]bool{}}
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestWatermarkWithSeveralProcesses$", "-test.v")
			cmd.Env = append(os.Environ(), "ZMESH_WATERMARK_DIR="+dir, "ZMESH_WATERMARK_CRASH="+strconv.Itoa(i%2))
			out, err := cmd.CombinedOutput()
			if err != nil && i%2 == 0 {
				t.Errorf("%v: %s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				if v, ok := strings.CutPrefix(line, "number "); ok {
					seq, _ := strconv.Atoi(strings.TrimSpace(v))
					all.add(t, uint32(seq))
				}
			}
		})
	}
	group.Wait()
	if len(all.seen) != 6*150 {
		t.Errorf("%d numbers, want 900", len(all.seen))
	}
}

func printNumbers(t *testing.T, dir string) {
	w := openMarks(t, dir)
	for range 150 {
		fmt.Printf("number %d\n", take(t, w, 1))
	}
	if os.Getenv("ZMESH_WATERMARK_CRASH") == "1" {
		os.Exit(3)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("65 0000002a\n")
	f.Add("65\n")
	f.Fuzz(func(t *testing.T, text string) {
		if mark, ok := parseMark(text); ok && (mark < 1 || mark > wire.SeqLast+1 || !strings.HasSuffix(text, "\n")) {
			t.Fatalf("%q gives %d", text, mark)
		}
	})
}
