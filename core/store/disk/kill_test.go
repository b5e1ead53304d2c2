package disk

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/zmesh/zmesh/core/store"
)

const childVariable = "ZMESH_TEST_STORE_CHILD"

// A process that is killed with SIGKILL leaves a store that opens, with all that was confirmed.
func TestKilledProcess(t *testing.T) { killRounds(t, 3) }

// TestSoakKilledProcess kills 200 times.
func TestSoakKilledProcess(t *testing.T) { killRounds(t, max(int(200*soak(t)), 3)) }

// killNames are published to at once by the process that is killed.
const killNames = 32

func killRounds(t *testing.T, rounds int) {
	set := settings{fs: vfs.Default, shard: durable, clock: newClock(), disk: Config{MemTableBytes: 64 << 10, TablesOver: 16}} // so small that it is flushed and compacted all the time
	if os.Getenv(childVariable) != "" {
		publishForever(set.start(t))
	}
	t.Chdir(t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var confirmed [killNames]uint32
	for round := range rounds {
		killAfter(t, self, &confirmed, killNames*(1+round%5))
		n := set.start(t)
		for i, last := range confirmed {
			if got := n.newest(key(i)).Seq; got < last {
				t.Fatalf("round %d: the newest of %d is %d, %d was confirmed", round, i, got, last)
			}
			for seq := max(last, 200) - 199; seq <= last; seq++ {
				n.wantExact(key(i), seq, label(int(seq)))
			}
		}
		n.stop()
	}
	t.Logf("%d rounds, confirmed %v", rounds, confirmed)
}

// publishForever publishes the next number of each name, prints what is confirmed, and so on until it is killed.
func publishForever(n *node) {
	var seqs [killNames]uint32
	for i := range seqs {
		seqs[i] = n.newest(key(i)).Seq
	}
	for {
		for i := range seqs {
			seqs[i]++
			n.keep(key(i), seqs[i], label(int(seqs[i])))
		}
		left := killNames
		n.until(func(r store.Result) bool {
			if r.Done == store.DoneCommit {
				fmt.Printf("confirmed %d %d\n", int(r.Key-key(0)), r.Seq)
				left--
			}
			return left == 0
		})
	}
}

// killAfter runs a child until it has confirmed some contents, kills it, and notes the last of each name.
func killAfter(t *testing.T, self string, confirmed *[killNames]uint32, some int) {
	child := exec.Command(self, "-test.run=^TestKilledProcess$")
	child.Env = append(os.Environ(), childVariable+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	got := 0
	lines := bufio.NewScanner(out)
	note := func() {
		var i int
		var seq uint32
		if n, _ := fmt.Sscanf(lines.Text(), "confirmed %d %d", &i, &seq); n == 2 {
			confirmed[i] = max(confirmed[i], seq)
			got++
		}
	}
	for got < some && lines.Scan() {
		note()
	}
	_ = child.Process.Kill()
	for lines.Scan() {
		note()
	}
	_ = child.Wait() // it was killed
	if got < some {
		t.Fatalf("the child ended after %d contents, want %d", got, some)
	}
}
