package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/script"
)

// The events run natively here, and against the module in `zmesh plugin test`.
func TestEvents(t *testing.T) {
	if n := script.Run(t, &strategy{}, "testdata/events.txt"); n == 0 {
		t.Error("there are no events")
	}
}
