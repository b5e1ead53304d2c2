package prefetch_test

import (
	"testing"
	"unsafe"

	"github.com/zmesh/zmesh/core/prefetch"
)

// A hint changes nothing, and an address where there is no memory is no fault.
func TestLineIsOnlyAHint(t *testing.T) {
	b := []byte("unchanged")
	prefetch.Line(unsafe.Pointer(&b[0]))
	prefetch.Line(nil)
	if string(b) != "unchanged" {
		t.Errorf("%q", b)
	}
}
