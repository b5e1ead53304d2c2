package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

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
	lock   io.Closer

	mu     sync.RWMutex
	hours  []*hour // by number; kept first
	active *hour   // the last of hours, or nil; only the committer uses it

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
	formatName  = "FORMAT"
	formatLine  = "zmesh-store 1\n"
	keptName    = "kept"
	damagedName = "damaged-"
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
	s := &Store{cfg: cfg, reads: make(chan read, cfg.ReadQueue), stop: make(chan struct{})}
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

// claim makes the folder, locks it and looks at its format.
func (s *Store) claim() error {
	fs := s.cfg.FS
	if err := s.makeDir(s.cfg.Dir); err != nil {
		return err
	}
	lock, err := fs.Lock(fs.PathJoin(s.cfg.Dir, lockName))
	if err != nil {
		return fmt.Errorf("%w (%s is locked: %w)", ErrLocked, lockName, err)
	}
	if err := s.checkFormat(); err != nil {
		return errors.Join(err, lock.Close())
	}
	s.lock = lock
	return nil
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

// checkFormat reads FORMAT, or writes it if there is none and the folder holds no hours.
func (s *Store) checkFormat() error {
	fs, path := s.cfg.FS, s.cfg.FS.PathJoin(s.cfg.Dir, formatName)
	f, err := fs.Open(path)
	if err != nil {
		return s.writeFormat(path)
	}
	line, err := io.ReadAll(io.LimitReader(f, 100))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if len(line) == 0 { // the power went while it was being written
		return s.writeFormat(path)
	}
	if string(line) != formatLine {
		return fmt.Errorf("%s says %q, want %q: the folder belongs to another version of zmesh", formatName, line, formatLine)
	}
	return nil
}

func (s *Store) writeFormat(path string) error {
	f, err := s.cfg.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, formatLine)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", formatName, err)
	}
	return s.syncDir(s.cfg.Dir)
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
	var found []*hour
	for _, e := range entries {
		if number, start, ok := parseHourName(e); ok && number > 0 {
			found = append(found, &hour{number: number, start: start, dir: s.cfg.FS.PathJoin(s.cfg.Dir, e)})
		}
	}
	slices.SortFunc(found, func(a, b *hour) int { return int(int64(a.number) - int64(b.number)) })
	for i, h := range found {
		if err := s.openHour(h, i == len(found)-1); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) openHour(h *hour, last bool) error {
	current := last && !h.ended(s.cfg.Wall(), s.cfg.hourMillis())
	if !s.begun(h) {
		return s.cfg.FS.RemoveAll(h.dir)
	}
	if err := s.shared.open(h, !current); isOfTheMachine(err) {
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
	h := &hour{dir: s.cfg.FS.PathJoin(s.cfg.Dir, keptName)}
	if s.begun(h) {
		err := s.shared.open(h, false)
		if isOfTheMachine(err) {
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

func (s *Store) begun(h *hour) bool {
	_, err := s.cfg.FS.Stat(s.cfg.FS.PathJoin(h.dir, begunName))
	return err == nil
}

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
	f, err := s.cfg.FS.Create(s.cfg.FS.PathJoin(h.dir, begunName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), s.syncDir(h.dir), s.syncDir(s.cfg.Dir))
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
		err := h.pointers(ix.add(h.number))
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
		s.parts[i] = &part{s: s, oldest: s.oldest()}
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
	s.done.Add(1 + s.cfg.Readers)
	go s.commitLoop()
	for range s.cfg.Readers {
		go s.readLoop()
	}
}

// index gathers the pointers of all hours, the latest first.
type index struct {
	names []store.Loaded
	at    map[name.Key]int
}

func (ix *index) add(number uint32) func(k name.Key, p pointer) error {
	return func(k name.Key, p pointer) error {
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
	var err error
	for _, h := range s.hours {
		err = errors.Join(err, h.close())
	}
	if err = errors.Join(err, s.release()); err != nil {
		return fmt.Errorf("close store %s: %w", s.cfg.Dir, err)
	}
	return nil
}

func (s *Store) release() error {
	s.shared.close()
	return s.lock.Close()
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
