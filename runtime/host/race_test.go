//go:build race

package host_test

// underRace: the race detector makes the host's part about ten times slower, and times mean nothing.
const underRace = true
