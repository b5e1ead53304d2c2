package host

import "sync"

// mirror keeps a second copy of what is published under a prefix ([[store.mirror]]).
type mirror struct{}

func (h *Host) startMirrors() error { return nil }

func (m *mirror) run(wg *sync.WaitGroup) { wg.Done() }

// Close ends the mirror.
func (m *mirror) Close() error { return nil }
