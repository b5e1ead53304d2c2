package plugin

import (
	"context"
	"sync"
	"time"
)

// Entry is one step in the life of a plugin, for the journal.
type Entry struct {
	Time   time.Time `json:"time"`
	Plugin string    `json:"plugin"`
	What   string    `json:"what"`             // loaded | swapped | rolled back | unloaded | refused | trapped | replaced | returned | quarantined | resumed | slow | forgotten
	Who    string    `json:"who"`              // configuration | operator, perhaps with who that is | node: by itself
	Digest string    `json:"digest,omitempty"` // of the version that it is about
	From   string    `json:"from,omitempty"`   // digest of the version that it takes the place of
	Input  string    `json:"input,omitempty"`  // trapped: digest of the input that killed the instance; it is not handed to this version again for a while
	Why    string    `json:"why,omitempty"`
}

// ByNode is who acts where nobody asked for it.
const ByNode = "node"

type whoKey struct{}

// As gives a context in which Load, Swap, Rollback and Unload are somebody's doing, for the journal.
func As(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, whoKey{}, who)
}

// By gives whose doing something is.
func By(ctx context.Context) string {
	if who, ok := ctx.Value(whoKey{}).(string); ok {
		return who
	}
	return ByNode
}

// journal keeps the last steps in memory, and all on disk where there is a file.
type journal struct {
	now  func() time.Time
	also func(Entry)

	mu   sync.Mutex
	list []Entry
	file *journalFile // nil: none
}

const journalSize = 1000

// note writes a step down. It may wait for the disk.
func (p *loaded) note(e Entry) {
	e.Plugin = p.name
	if e.Who == "" {
		e.Who = ByNode
	}
	p.manager.journal.add(e)
}

func (j *journal) add(e Entry) {
	e.Time = j.now()
	j.mu.Lock()
	if len(j.list) == journalSize {
		j.list = append(j.list[:0], j.list[1:]...)
	}
	j.list = append(j.list, e)
	j.file.add(&e)
	j.mu.Unlock()
	if j.also != nil {
		j.also(e)
	}
}

// Journal gives the last steps, oldest first: those of earlier times too, where they are kept on disk.
func (m *Manager) Journal() []Entry {
	m.journal.mu.Lock()
	defer m.journal.mu.Unlock()
	return append([]Entry(nil), m.journal.list...)
}

// JournalTrouble is how many steps since the start are not in the journal on disk, and why the last one is not; nil if it is.
func (m *Manager) JournalTrouble() (lost uint64, err error) {
	m.journal.mu.Lock()
	defer m.journal.mu.Unlock()
	if m.journal.file == nil {
		return 0, nil
	}
	return m.journal.file.lost, m.journal.file.trouble
}
