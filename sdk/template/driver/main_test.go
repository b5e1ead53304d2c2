package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/script"
)

// The events run natively here, and against the module in `zmesh plugin test`.
func TestEvents(t *testing.T) {
	if n := script.Run(t, driver{}, "testdata/events.txt"); n == 0 {
		t.Error("there are no events")
	}
}

// Whatever comes from the line: no panic, and a frame that follows is heard.
func FuzzReceived(f *testing.F) {
	f.Add([]byte{mark, 0, 1, 7, mark, 0, 0, mark})
	f.Fuzz(func(t *testing.T, noise []byte) {
		l, err := guest.RunDriver(driver{}, guest.Values{}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.Received(0, noise)
		line := l.Send(0, []byte("frame")).Bytes[0].Data
		for range longest { // what the noise has begun ends at some time
			for _, h := range l.Received(0, line).Frames {
				if string(h.Frame) == "frame" {
					return
				}
			}
		}
		t.Errorf("after %x nothing is heard", noise)
	})
}
