package name_test

import (
	"testing"

	"github.com/zmesh/zmesh/core/name"
)

// What a forwarder asks for each frame. It must not allocate.
func questions(b testing.TB) map[string]func() bool {
	hier := office(b)
	hash := hashed(b, name.Settings{NeverCached: []string{"live/camera"}, Management: []string{"device/7"}})
	n, pattern := hexName(b, "010203010000"), hexName(b, "01ff03010000")
	prefix := name.MakePrefix(n, 2)
	set := name.NewPrefixSet(name.MakePrefix(name.Name{9}, 1), name.MakePrefix(name.Name{8, 1}, 2), prefix)
	return map[string]func() bool{
		"Valid":        func() bool { return hier.Valid(n) },
		"ValidPattern": func() bool { return hier.ValidPattern(pattern) },
		"ValidPrefix":  func() bool { return hier.ValidPrefix(prefix) },
		"ClassHashed":  func() bool { return !hash.NeverCached(n) && !hash.Management(n) },
		"Class":        func() bool { return !hier.NeverCached(n) && !hier.Management(n) },
		"IsWildcard":   func() bool { return hier.IsWildcard(pattern) },
		"Match":        func() bool { return hier.Match(pattern, n) },
		"Overlaps":     func() bool { return hier.Overlaps(prefix, pattern) },
		"Contains":     func() bool { return prefix.Contains(n) },
		"Covers":       func() bool { return set.Covers(n) && set.CoversPrefix(prefix) },
		"ApplyMask":    func() bool { _, ok := hier.ApplyMask(n, 0b10); return ok },
		"Key":          func() bool { return name.MakeKey(3, n).Name() == n },
	}
}

func TestNoAllocations(t *testing.T) {
	for what, ask := range questions(t) {
		if got := testing.AllocsPerRun(100, func() { ask() }); got != 0 || !ask() {
			t.Errorf("%s: %v allocations, answer %v", what, got, ask())
		}
	}
}

func BenchmarkQuestions(b *testing.B) {
	for what, ask := range questions(b) {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
