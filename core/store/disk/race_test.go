//go:build race

package disk

// underRace tells tests to do less: the race detector makes everything ten times as slow.
const underRace = true
