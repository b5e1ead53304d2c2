package host_test

import (
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

func TestNumberOfATime(t *testing.T) {
	for _, class := range []string{"memory", "buffered", "durable"} {
		t.Run(class, func(t *testing.T) {
			w := newWorld(t, nodeText("[store]\ndurability = \""+class+"\"\n", lanFace))
			d := w.device()
			begin := time.Now()
			publish(t, d, "a", 1, 2)
			second := time.Now().Add(2 * time.Millisecond) // in memory a time is known to the millisecond
			waitFor(t, "time stands still", func() bool { return time.Now().UnixMilli() > second.UnixMilli() })
			publish(t, d, "a", 3, 4)
			for at, want := range map[time.Time]uint32{begin: 1, time.UnixMilli(0): 1, second: 3, time.Now().Add(time.Hour): 0} {
				got, err := w.host.StoreSince(t.Context(), name.Hash("a"), at)
				if err != nil || got.Seq != want {
					t.Errorf("since %s: %+v, %v; want %d", at, got, err, want)
				}
			}
			if got, err := w.host.StoreSince(t.Context(), name.Hash("b"), begin); err != nil || got.Seq != 0 {
				t.Errorf("of no name: %+v, %v", got, err)
			}
		})
	}
}
