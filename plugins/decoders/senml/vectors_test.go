package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// Seven of the vectors are the RFC's examples, one is an example of it in CBOR, two are ours.
func TestVectors(t *testing.T) {
	const want = 10
	if n := vectors.Run(t, &senml{}, "testdata/vectors.json"); n != want {
		t.Errorf("%d vectors, want %d", n, want)
	}
}
