package main

import (
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
	"github.com/zmesh/zmesh/sdk/guest/vectors"
)

// The vectors run natively here, against the module in `zmesh plugin test`, and in a node before it lets the decoder work.
func TestVectors(t *testing.T) {
	if n := vectors.Run(t, &decoder{}, "testdata/vectors.json"); n == 0 {
		t.Error("there are no vectors")
	}
}

func TestOffset(t *testing.T) {
	config := guest.MakeValues(abi.Value{Name: "offset", Type: abi.ListFloat, Num: -1.5})
	got, err := guest.RunDecoder(&decoder{}, config, 0, 0, nil, []byte{0, 215, 90})
	if err != nil || len(got.Records) != 2 || got.Records[0].Number() != 20 {
		t.Errorf("%+v, %v", got, err)
	}
}
