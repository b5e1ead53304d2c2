package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/script"
)

func TestEvents(t *testing.T) { script.Run(t, cobs{}, "testdata/events.txt") }
