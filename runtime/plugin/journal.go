package plugin

import (
	"sync"
	"time"
)

// Entry is one step in the life of a plugin, for the journal.
type Entry struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin"`
	What   string    `json:"what"`             // loaded | swapped | unloaded | refused | trapped | replaced
	Digest string    `json:"digest,omitempty"` // of the version that it is about
	From   string    `json:"from,omitempty"`   // swap: digest of the version before
	Why    string    `json:"why,omitempty"`
}

// journal keeps the last steps in memory, and hands each on: where one on disk comes in.
type journal struct {
	now  func() time.Time
	also func(Entry)

	mu   sync.Mutex
	list []Entry
}

const journalSize = 1000

func (j *journal) add(e Entry) {
	e.Time = j.now()
	j.mu.Lock()
	if len(j.list) == journalSize {
		j.list = append(j.list[:0], j.list[1:]...)
	}
	j.list = append(j.list, e)
	j.mu.Unlock()
	if j.also != nil {
		j.also(e)
	}
}

// Journal gives the steps kept in memory, oldest first.
func (m *Manager) Journal() []Entry {
	m.journal.mu.Lock()
	defer m.journal.mu.Unlock()
	return append([]Entry(nil), m.journal.list...)
}
