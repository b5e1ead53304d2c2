package disk

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const childVariable = "ZMESH_TEST_STORE_CHILD"

// A process that is killed with SIGKILL leaves a store that opens, with all that was confirmed.
func TestKilledProcess(t *testing.T) {
	set := settings{fs: vfs.Default, shard: durable, clock: newClock()}
	if os.Getenv(childVariable) != "" {
		publishForever(set.start(t))
	}
	t.Chdir(t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	confirmed := uint32(0)
	for range 3 {
		confirmed = killAfter(t, self, confirmed+40)
		n := set.start(t)
		if got := n.newest(key(1)).Seq; got < confirmed {
			t.Fatalf("the newest is %d, %d was confirmed", got, confirmed)
		}
		for seq := uint32(1); seq <= confirmed; seq++ {
			n.wantExact(key(1), seq, label(int(seq)))
		}
		n.stop()
	}
}

// publishForever publishes the next number, prints it when it is confirmed, and so on until it is killed.
func publishForever(n *node) {
	for seq := n.newest(key(1)).Seq + 1; ; seq++ {
		n.store1(key(1), seq, label(int(seq)))
		fmt.Printf("confirmed %d\n", seq)
	}
}

// killAfter runs a child until it has confirmed number last, kills it, and gives the last number that it confirmed.
func killAfter(t *testing.T, self string, last uint32) (confirmed uint32) {
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
	lines := bufio.NewScanner(out)
	for confirmed < last && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "confirmed %d", &confirmed)
	}
	_ = child.Process.Kill()
	for lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "confirmed %d", &confirmed)
	}
	_ = child.Wait() // it was killed
	if confirmed < last {
		t.Fatalf("the child ended after number %d, want %d", confirmed, last)
	}
	return confirmed
}
