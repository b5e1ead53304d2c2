package bench

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/zmesh/zmesh/runtime/config"
)

// Where persisting is measured, the forwarder without a disk stores as much as the one with it: what an hour may hold is
// gigabytes in both.
func TestWhatIsComparedStoresTheSame(t *testing.T) {
	o := Options{Scenario: Publish, Durability: []string{"memory", "buffered"}}
	for _, durability := range o.Durability {
		file := filepath.Join(t.TempDir(), "node.toml")
		if err := os.WriteFile(file, []byte(configuration(&o, netip.MustParseAddrPort("127.0.0.1:2"), netip.MustParseAddrPort("127.0.0.1:3"), "", durability)), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.StoreConfig(); got.Class.String() != durability || got.HourBytes < 1<<30 {
			t.Errorf("%s: of class %v, %d bytes an hour", durability, got.Class, got.HourBytes)
		}
	}
}
