package host

import (
	"testing"

	"github.com/zmesh/zmesh/core/store/disk"
	"github.com/zmesh/zmesh/runtime/config"
)

// What waits to be written is still in memory: half of the queue goes to the disk at once, and a worker keeps as much as that or more, but with very little memory.
func TestQueueIsNotLongerThanMemory(t *testing.T) {
	for _, c := range []struct{ memory, workers, want int }{
		{32 << 20, 0, disk.DefaultQueueBytes},
		{32 << 20, 1, disk.DefaultQueueBytes},
		{32 << 20, 4, 8 << 20},
		{4 << 20, 1, 4 << 20},
		{64 << 10, 1, 1 << 20},
		{1 << 30, 16, disk.DefaultQueueBytes},
	} {
		if got := queueBytes(&config.Store{Memory: c.memory}, c.workers); got != c.want {
			t.Errorf("%d of memory, %d workers: %d, want %d", c.memory, c.workers, got, c.want)
		}
	}
}
