package disk

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/zmesh/zmesh/core/name"
)

func verifyAll(t *testing.T, s *Store) (list []Verified) {
	t.Helper()
	for from := uint32(0); ; {
		v, next, err := s.Verify(context.Background(), from, nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
		if from = next; next == 0 {
			return list
		}
	}
}

func TestBackupRestoreVerifyNames(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	for hour := range 3 {
		for i := range 5 {
			n.store1(key(i), uint32(hour+1), label(hour))
		}
		n.pass(time.Hour)
	}
	ctx := context.Background()
	if hours, err := n.store.Backup(ctx, "backup/today"); err != nil || hours != 3 {
		t.Fatalf("%d hours, %v", hours, err)
	}
	if _, err := n.store.Backup(ctx, "backup/today"); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a second one: %v", err)
	}
	n.store1(key(0), 4, "after the backup")
	list := verifyAll(t, n.store)
	if len(list) != 5 || list[0].Number != 0 || list[1].Contents != 5 || list[4].Contents != 1 {
		t.Errorf("verified %+v", list)
	}
	names, err := n.store.Names(ctx, key(1), key(3), 2, func(name.Key) int64 { return 0 })
	if err != nil || len(names) != 2 || names[0].Key != key(1) || names[0].Contents != 3 || names[0].Highest != 1<<24|3 || names[1].Key != key(2) {
		t.Errorf("names %+v, %v", names, err)
	}
	cfg := n.store.cfg
	if _, err := Restore(cfg, "backup/today"); err == nil || !strings.Contains(err.Error(), "a store already") {
		t.Errorf("restored over a store: %v", err)
	}
	if err := VerifyFolder(ctx, cfg, nil, nil); err == nil || !strings.Contains(err.Error(), "another node") {
		t.Errorf("verified beside a node: %v", err)
	}
	n.stop()
	if err := fs.RemoveAll("data/store"); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(cfg, "backup"); err == nil || !strings.Contains(err.Error(), "no complete backup") {
		t.Errorf("restored what is none: %v", err)
	}
	if hours, err := Restore(cfg, "backup/today"); err != nil || hours != 3 {
		t.Fatalf("%d hours, %v", hours, err)
	}
	n = set.start(t)
	for i := range 5 {
		n.wantNewest(key(i), 3, label(2))
		n.wantReplayed(key(i), 3)
	}
	n.store1(key(0), 4, "goes on")
	n.stop()
	var all []Verified
	if err := VerifyFolder(ctx, cfg, nil, func(v Verified) { all = append(all, v) }); err != nil || len(all) < 4 {
		t.Errorf("%+v, %v", all, err)
	}
	for _, v := range all {
		if v.Err != nil {
			t.Errorf("%+v", v)
		}
	}
}

// While an hour is verified, or copied, the store takes contents, begins the next hour and answers.
func TestVerifyHoldsNobodyUp(t *testing.T) {
	n := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}.start(t)
	defer n.stop()
	n.store1(key(1), 1, "x")
	entered, goOn, verified := make(chan bool), make(chan bool), make(chan error)
	go func() {
		_, _, err := n.store.Verify(context.Background(), 1, func(name.Key, []byte) error {
			entered <- true
			<-goOn
			return nil
		})
		verified <- err
	}()
	<-entered
	n.pass(time.Hour)
	n.store1(key(1), 2, "in the next hour")
	n.wantReplayed(key(1), 2)
	close(goOn)
	if err := <-verified; err != nil {
		t.Error(err)
	}
}

// A backup for which there is no room fails, and the store goes on.
func TestABackupThatFailsIsNoTroubleOfTheStore(t *testing.T) {
	f := &fault{err: syscall.ENOSPC, file: func(path string) bool { return strings.HasPrefix(path, "backup") }, kinds: []errorfs.OpKind{errorfs.OpFileWrite}}
	n := settings{fs: errorfs.Wrap(vfs.NewMem(), f), shard: durable, clock: newClock()}.start(t)
	n.store1(key(1), 1, "before")
	f.on.Store(true)
	if _, err := n.store.Backup(context.Background(), "backup"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the backup says %v", err)
	}
	n.store1(key(1), 2, "after")
	n.stop()
	for len(n.events) > 0 {
		if e := <-n.events; e.Err != nil {
			t.Errorf("event %v: %v", e.Kind, e.Err)
		}
	}
}

// A node does not start with what a restore that was broken off has left.
func TestAPartOfARestoreIsNoStore(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	n.store1(key(1), 1, "x")
	if _, err := n.store.Backup(context.Background(), "backup"); err != nil {
		t.Fatal(err)
	}
	cfg := n.store.cfg
	n.stop()
	if err := fs.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	broken := cfg
	broken.FS = &cutOff{FS: fs}
	func() {
		defer func() { _ = recover() }()
		_, _ = Restore(broken, "backup")
	}()
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "not completed") {
		t.Errorf("%v", err)
	}
}

// cutOff is a file system on which the process ends when the first hour's log is copied.
type cutOff struct{ vfs.FS }

func (c *cutOff) Create(path string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if isLog(path) {
		panic("killed")
	}
	return c.FS.Create(path, category)
}

// A flipped bit in a table is found, whether a node runs or not.
func TestVerifyFindsDamage(t *testing.T) {
	fs := vfs.NewMem()
	set := settings{fs: fs, shard: durable, clock: newClock()}
	n := set.start(t)
	for i := range uint32(100) {
		n.keep(key(1), i+1, strings.Repeat("x", 500))
	}
	n.committed(key(1), 100)
	n.pass(time.Hour)
	n.store1(key(1), 101, "x")
	n.waitSealed()
	n.stop()
	dir := "data/store/" + hourName(1, set.clock.wall-time.Hour.Milliseconds())
	files, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if isTable(f) {
			flip(t, fs, dir+"/"+f, 20_000)
		}
	}
	var bad []Verified
	if err := VerifyFolder(context.Background(), n.store.cfg, nil, func(v Verified) {
		if v.Err != nil {
			bad = append(bad, v)
		}
	}); err != nil || len(bad) != 1 || bad[0].Number != 1 {
		t.Fatalf("%+v, %v", bad, err)
	}
	n = set.start(t)
	defer n.stop()
	list := verifyAll(t, n.store)
	if list[1].Err == nil || list[2].Err != nil {
		t.Errorf("%+v", list)
	}
}

func flip(t *testing.T, fs vfs.FS, path string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{0}
	if _, err := f.ReadAt(b, at); err != nil {
		t.Skipf("the table is shorter than %d bytes", at)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestClearRemovesNamesFromAllHours(t *testing.T) {
	set := settings{fs: vfs.NewMem(), shard: durable, clock: newClock()}
	n := set.start(t)
	for hour := range 3 {
		for i := range 3 {
			n.store1(key(i), uint32(hour+1), label(hour))
		}
		n.pass(time.Hour)
	}
	n.store1(key(1), 4, "in the hour that is written to")
	n.waitSealed()
	n.put(key(1), 5, "queued before")
	if got := n.shard(key(1)).Clear(key(1), key(1)); got != 1 {
		t.Fatalf("%d names", got)
	}
	wait := n.store.Clear(key(1), key(1))
	n.put(key(1), 9, "queued after")
	if err := wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.committed(key(1), 9)
	check := func() {
		t.Helper()
		for seq := uint32(1); seq <= 5; seq++ {
			n.wantNone(key(1), seq)
		}
		n.wantNewest(key(1), 9, "queued after")
		n.wantReplayed(key(1), 1)
		n.wantReplayed(key(0), 3)
		n.wantNewest(key(2), 3, label(2))
	}
	check()
	n.waitSealed()
	n.stop()
	n = set.start(t)
	check()
	n.stop()
}
