package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/script"
)

// The same events run against the module: zmesh plugin test, and whenever a node loads it.
func TestEvents(t *testing.T) { script.Run(t, &multicast{}, "testdata/events.txt") }
