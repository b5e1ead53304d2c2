package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

func TestVectors(t *testing.T) {
	const want = 15
	if n := vectors.Run(t, cayenne{}, "testdata/vectors.json"); n != want {
		t.Errorf("%d vectors, want %d", n, want)
	}
}
