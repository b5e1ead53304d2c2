package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zmesh/zmesh/core/store/disk"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
	"github.com/zmesh/zmesh/runtime/plugin"
)

// diskConfig is the store on disk of a configuration, but for what only a running node has.
func diskConfig(cfg *config.Config, start time.Time) disk.Config {
	return disk.Config{
		Dir:  filepath.Join(cfg.Node.DataDir, "store"),
		Wall: func() int64 { return time.Now().UnixMilli() }, Mono: func() time.Duration { return time.Since(start) }, After: time.After,
		Retention: cfg.Store.LongestRetention(), MaxBytes: uint64(cfg.Store.MaxSize), SyncEvery: cfg.Store.SyncEvery,
		QueueBytes: queueBytes(&cfg.Store, cfg.Node.Workers),
	}
}

// queueBytes is no more than what a worker keeps in memory: half of the queue is written without waiting, so no content leaves memory before it is on
// the disk, unless that is too slow.
func queueBytes(s *config.Store, workers int) int {
	return min(max(s.Memory/max(workers, 1), 1<<20), disk.DefaultQueueBytes)
}

// VerifyStore reads everything in the store of a node that does not run, hour by hour.
func VerifyStore(ctx context.Context, cfg *config.Config, report func(admin.StoreVerified)) error {
	check, err := macCheck(cfg)
	if err != nil {
		return err
	}
	return disk.VerifyFolder(ctx, diskConfig(cfg, time.Now()), check, func(v disk.Verified) { report(verified(v)) })
}

// RestoreStore copies a backup into the data folder of a node that has no store, and gives the number of hours.
func RestoreStore(cfg *config.Config, from string) (hours int, err error) {
	lock, err := openDataDir(cfg.Node.DataDir)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	return disk.Restore(diskConfig(cfg, time.Now()), from)
}

// ReadPluginJournal reads the journal of a node that does not run, and gives its file.
func ReadPluginJournal(cfg *config.Config) (list []admin.PluginEntry, file string, err error) {
	file = journalFile(cfg)
	if _, err := os.Stat(file); err != nil {
		return nil, file, fmt.Errorf("journal: %w", err)
	}
	journal, err := plugin.ReadJournal(file)
	return entries(journal), file, err
}
