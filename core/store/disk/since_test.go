package disk

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestSinceGivesTheFirstNumberOfATime(t *testing.T) {
	n := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}.start(t)
	defer n.stop()
	begin := n.clock.Wall()
	for i := range uint32(50) { // one each 10 minutes: nine hours
		n.store1(key(1), 3*i+3, label(int(i)))
		n.store1(key(2), i+1, "another name")
		n.pass(10 * time.Minute)
	}
	n.putFrom(key(1), 31, "late", false)
	n.committed(key(1), 31)
	for _, c := range []struct {
		after time.Duration
		want  uint64
	}{{-time.Hour, 3}, {0, 3}, {1, 6}, {10 * time.Minute, 6}, {235 * time.Minute, 31}, {8 * time.Hour, 31}, {501 * time.Minute, 0}} {
		wall := begin + (c.after + time.Millisecond - 1).Milliseconds()
		ext, ok, err := n.store.Since(context.Background(), key(1), wall)
		if err != nil || ok != (c.want != 0) || ext&0xFFFFFF != c.want {
			t.Errorf("since %s: %d %v, %v; want %d", c.after, ext&0xFFFFFF, ok, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := n.store.Since(ctx, key(1), 0); err == nil {
		t.Error("it goes on after its asker has gone")
	}
}
