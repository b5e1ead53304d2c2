package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"syscall"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/store"
)

// Store is the disk behind all shards of a node.
//
// Order of locks: a worker's mutex, then queue.mu or part.mu, which hold nobody up. Store.mu is never taken under a worker's
// mutex: readers hold it for the length of a read, the committer while it changes the list of hours.
type Store struct {
	cfg    Config
	shared shared
	lock   io.Closer // nil: the file system was read-only when it was opened
	clock  wallClock
	noted  int64         // the clock's steps that are written down; only the committer uses it
	toSeal chan struct{} // holds one when an hour may have to be sealed

	mu     sync.RWMutex
	hours  []*hour // by number; kept first
	active *hour   // the last of hours, or nil; only the committer uses it

	unwritable error // of the folder that could not be locked, or an hour that could be opened for reading only: the committer begins with it

	parts []*part
	queue queue
	reads chan read
	stop  chan struct{}
	done  sync.WaitGroup
	stats counters
}

// Names of what lies in the folder besides hours.
const (
	lockName    = "LOCK"
	keptName    = "kept"
	damagedName = "damaged-"
	removedName = "removed-"
)

// ErrLocked is what [Open] fails with when another node uses the folder.
var ErrLocked = errors.New("another node uses this folder")

// Open opens the store in cfg.Dir, with what an earlier run left there: also one that was killed. Damaged hours are set
// aside and reported by events. Then [Store.Split] gives the shards their backends, and [Store.Close] ends it.
func Open(cfg Config) (*Store, error) {
	dir := cfg.Dir
	s, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

func open(cfg Config) (*Store, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, reads: make(chan read, cfg.ReadQueue), toSeal: make(chan struct{}, 1), stop: make(chan struct{})}
	s.clock.init(cfg.Wall, cfg.Mono)
	if err := s.claim(); err != nil {
		return nil, err
	}
	s.shared = newShared(&s.cfg)
	if err := s.openHours(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.queue.init(s.cfg.QueueBytes)
	return s, nil
}

// claim makes the folder, locks it and looks at its format. On a read-only file system nobody else can write to it either.
func (s *Store) claim() error {
	if err := s.makeDir(s.cfg.Dir); err != nil {
		return err
	}
	if s.unwritable = s.takeLock(); s.unwritable != nil && !errors.Is(s.unwritable, syscall.EROFS) {
		return s.unwritable
	}
	if err := s.checkFormat(); err != nil {
		return errors.Join(err, s.dropLock())
	}
	return nil
}

// takeLock locks the folder, if it is not locked yet.
func (s *Store) takeLock() error {
	if s.lock != nil {
		return nil
	}
	fs := s.cfg.FS
	lock, err := fs.Lock(fs.PathJoin(s.cfg.Dir, lockName))
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("lock %s: %w", lockName, err)
	}
	if err != nil {
		return fmt.Errorf("%w (%s is locked: %w)", ErrLocked, lockName, err)
	}
	s.lock = lock
	return nil
}

func (s *Store) dropLock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// makeDir makes dir and those above it, and makes each safe: else a power cut could take the folder with all that was
// confirmed in it.
func (s *Store) makeDir(dir string) error {
	if _, err := s.cfg.FS.Stat(dir); err == nil {
		return nil
	}
	parent := s.cfg.FS.PathDir(dir)
	if parent != dir {
		if err := s.makeDir(parent); err != nil {
			return err
		}
	}
	if err := s.cfg.FS.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return s.syncDir(parent)
}

// syncDir makes new and renamed entries of a folder safe.
func (s *Store) syncDir(dir string) error {
	d, err := s.cfg.FS.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openHours opens what is there. The last hour is written to again if it has not ended; all others are only read.
func (s *Store) openHours() error {
	entries, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return err
	}
	if err := s.openKept(); err != nil {
		return err
	}
	found, err := s.hoursAmong(entries)
	if err != nil {
		return err
	}
	wall, _ := s.clock.now()
	s.dateHours(found, wall)
	for i, h := range found {
		if err := s.openHour(h, wall, i == len(found)-1); err != nil {
			return err
		}
	}
	s.wantSeal()
	return nil
}

// hoursAmong gives the hours that were begun, by number, and removes what is left of those that were not.
func (s *Store) hoursAmong(entries []string) (found []*hour, err error) {
	for _, e := range entries {
		number, start, ok := parseHourName(e)
		if !ok || number == 0 {
			continue
		}
		h := &hour{number: number, start: start, dir: s.cfg.FS.PathJoin(s.cfg.Dir, e)}
		if !s.exists(h.dir, begunName) {
			if failed := s.cfg.FS.RemoveAll(h.dir); !errors.Is(failed, syscall.EROFS) {
				err = errors.Join(err, failed)
			}
			continue
		}
		h.sealed, h.shift = s.exists(h.dir, sealedName), s.readShift(h.dir)
		line, err2 := s.readFile(h.dir, begunName)
		h.allPointers = line == ""
		err = errors.Join(err, err2)
		found = append(found, h)
	}
	slices.SortFunc(found, func(a, b *hour) int { return cmp.Compare(a.number, b.number) })
	return found, err
}

func (s *Store) openHour(h *hour, wall int64, last bool) error {
	current := last && !h.sealed && !h.allPointers && !h.ended(wall, 0, s.cfg.hourMillis())
	h.over = !current
	if err := s.shared.openFor(h); h.stuck {
		s.unwritable = cmp.Or(s.unwritable, err)
	} else if errors.Is(err, syscall.EROFS) { // it cannot be set aside
		s.failed(h, err)
		return nil
	} else if isOfTheMachine(err) {
		return err
	} else if err != nil {
		s.setAside(h, err)
		return nil
	}
	s.hours = append(s.hours, h)
	if current {
		s.active = h
	}
	return nil
}

// isOfTheMachine tells whether an hour could not be opened for a reason that says nothing about the hour. Such an error
// stops the start: to set everything aside because the disk is full or belongs to another user would lose it.
func isOfTheMachine(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EROFS, fs.ErrPermission} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// openKept opens the directory of what is kept beyond its hour. A damaged one is set aside, and another is made.
func (s *Store) openKept() error {
	h := &hour{dir: s.cfg.FS.PathJoin(s.cfg.Dir, keptName), foreign: true, allPointers: true} // its dates are those of when they were copied
	if s.exists(h.dir, begunName) {
		err := s.shared.openFor(h)
		if h.stuck {
			s.unwritable = cmp.Or(s.unwritable, err)
		} else if isOfTheMachine(err) {
			return err
		} else if err != nil {
			s.setAside(h, err)
		}
	}
	if h.db == nil {
		if err := s.begin(h); err != nil {
			return err
		}
	}
	s.hours = append(s.hours, h)
	return nil
}

// begunName is a file in each directory that says that Pebble has made all of its own. Without it the power went while the
// directory was being made, and there is nothing in it.
const begunName = "BEGUN"

// begin makes the directory of h and opens it.
func (s *Store) begin(h *hour) error {
	if err := s.cfg.FS.RemoveAll(h.dir); err != nil {
		return err
	}
	err := s.shared.open(h, false)
	if err == nil {
		err = s.mark(h)
	}
	if err != nil {
		return errors.Join(err, h.close(), s.cfg.FS.RemoveAll(h.dir))
	}
	return nil
}

func (s *Store) mark(h *hour) error {
	return errors.Join(s.writeFile(h.dir, begunName, formatLine), s.syncDir(s.cfg.Dir))
}

// setAside renames a damaged hour, so that the node starts and somebody can look at it.
func (s *Store) setAside(h *hour, why error) {
	fs := s.cfg.FS
	why = errors.Join(why, h.close())
	to := fs.PathJoin(s.cfg.Dir, fmt.Sprintf("%s%s-%d", damagedName, fs.PathBase(h.dir), s.cfg.Wall()))
	why = errors.Join(why, fs.Rename(h.dir, to), s.syncDir(s.cfg.Dir))
	s.stats.damaged.Add(1)
	s.cfg.Event(Event{Kind: HourDamaged, Dir: to, Err: why})
}

// Split gives each of n shards its backend: owner tells which shard a name belongs to, 0 … n-1. It reads the index of all
// hours, and starts the goroutines that write and read; it is called once. An hour whose index cannot be read is set aside.
func (s *Store) Split(n int, owner func(name.Key) int) []store.Backend {
	ix := index{at: map[name.Key]int{}}
	for i := len(s.hours) - 1; i >= 0; i-- {
		h := s.hours[i]
		err := h.newest(ix.add(h.number, h.lag(0)))
		if h.number == 0 {
			s.failed(h, err)
		} else if err != nil {
			s.hours = slices.Delete(s.hours, i, i+1)
			if s.active == h {
				s.active = nil
			}
			s.setAside(h, err)
		}
	}
	s.parts = make([]*part, n)
	out := make([]store.Backend, n)
	for i := range s.parts {
		s.parts[i] = &part{s: s, index: uint16(i), oldest: s.oldest()}
		out[i] = s.parts[i]
	}
	for _, l := range ix.names {
		p := s.parts[owner(l.Key)]
		p.loaded = append(p.loaded, l)
	}
	s.start()
	return out
}

func (s *Store) start() {
	s.done.Add(2 + s.cfg.Readers)
	go s.commitLoop()
	go s.sealLoop()
	for range s.cfg.Readers {
		go s.readLoop()
	}
}

// index gathers the pointers of all hours, the latest first.
type index struct {
	names []store.Loaded
	at    map[name.Key]int
}

func (ix *index) add(number uint32, lag int64) func(k name.Key, p pointer) error {
	return func(k name.Key, p pointer) error {
		p.wall += lag
		i, ok := ix.at[k]
		if !ok {
			ix.at[k] = len(ix.names)
			ix.names = append(ix.names, loaded(k, p, number))
			return nil
		}
		if l := &ix.names[i]; p.newest > l.Newest {
			*l = loaded(k, p, l.Hour)
		}
		return nil
	}
}

func loaded(k name.Key, p pointer, number uint32) store.Loaded {
	return store.Loaded{Key: k, Newest: p.newest, Wall: p.wall, MAC: p.mac, Hour: number, Producer: p.producer, Published: p.published}
}

// oldest gives the number of the oldest hour, or what the next one will have if there is none.
func (s *Store) oldest() uint32 {
	for _, h := range s.hours {
		if h.number > 0 {
			return h.number
		}
	}
	return s.nextNumber()
}

// nextNumber gives the number of the next hour.
func (s *Store) nextNumber() uint32 {
	if n := len(s.hours); n > 0 {
		return s.hours[n-1].number + 1
	}
	return 1
}

// Close writes what is queued, makes it safe, and waits for all goroutines. No shard may use its backend any more.
func (s *Store) Close() error {
	close(s.stop)
	s.done.Wait()
	err := s.noteSteps()
	for _, h := range s.hours {
		h.sealing.Lock() // a backup or verification may be under way
		err = errors.Join(err, h.close())
		h.gone = true
		h.sealing.Unlock()
	}
	if err = errors.Join(err, s.release()); err != nil {
		return fmt.Errorf("close store %s: %w", s.cfg.Dir, err)
	}
	return nil
}

func (s *Store) release() error {
	s.shared.close()
	return s.dropLock()
}

// Dirs lists the hours' directories, the oldest first.
func (s *Store) Dirs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []string
	for _, h := range s.hours {
		if h.number > 0 {
			out = append(out, s.cfg.FS.PathBase(h.dir))
		}
	}
	return out
}
