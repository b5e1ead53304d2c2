//go:build race

package udp

// raceEnabled: the race detector makes sync.Pool throw things away, so allocations are not counted under it.
const raceEnabled = true
