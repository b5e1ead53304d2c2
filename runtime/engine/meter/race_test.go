//go:build race

package meter_test

// underRace: the race detector makes the host's part, such as copying stacks and memories, about ten times slower.
const underRace = true
