package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

func TestVectors(t *testing.T) {
	const want = 39
	if n := vectors.Run(t, bthome{}, "testdata/vectors.json"); n != want {
		t.Errorf("%d vectors, want %d", n, want)
	}
}
