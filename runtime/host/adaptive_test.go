package host_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/runtime/admin"
)

// A strategy that ships is chosen with two tables and shown, and a setting that cannot be is refused with its name.
func TestAdaptiveIsConfigured(t *testing.T) {
	needsPlugin(t, "adaptive")
	text := func(interval string) string {
		return nodeText(inMemory, lanFace, "[limits]\nheld_frames = 9\nstrategy_timers = 3\n",
			"[[plugins]]\nname = \"quick\"\nbuiltin = \"adaptive\"\n[plugins.config]\nprobe_interval = \""+interval+"\"\n[[strategies]]\nprefix = \"\"\nplugin = \"quick\"\n")
	}
	w := newWorld(t, text("2s"))
	if got := w.host.Strategies(); !slices.Equal(got, []admin.Strategy{{Plugin: "quick"}}) {
		t.Errorf("%+v", got)
	}
	publish(t, w.device(), "a", 1, 2)
	cfg, err := w.load()
	if err != nil || cfg.Limits.HeldFrames != 9 || cfg.Limits.StrategyTimers != 3 {
		t.Errorf("%v, %+v", err, cfg)
	}
	bad := &world{t: t, file: filepath.Join(t.TempDir(), "node.toml")}
	bad.write(text("1ms"))
	if err := bad.start(t.Context()); err == nil || !strings.Contains(err.Error(), "probe_interval") {
		t.Errorf("%v", err)
	}
}
