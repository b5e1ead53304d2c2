package plugin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJournalOverRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plugins", "journal.jsonl")
	for round := range 3 {
		m, err := NewManager(Options{JournalFile: file})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(m.Journal()); got != 3*round {
			t.Errorf("%d entries at the beginning of round %d", got, round)
		}
		load(t, m, "s", handMade(sender(10)))
		if err := m.Swap(As(t.Context(), "operator"), "s", handMade(sender(11))); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if lost, err := m.JournalTrouble(); lost != 0 || err != nil {
			t.Fatal(lost, err)
		}
		list, err := ReadJournal(file)
		if err != nil || len(list) != 3*(round+1) {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		if e := list[len(list)-2]; e.What != "swapped" || e.Who != "operator" || e.Digest == e.From || e.Time.IsZero() || e.Plugin != "s" {
			t.Errorf("%+v", e)
		}
		// A power cut leaves half a line, which neither spoils what is before it nor what comes after.
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"time":"2026-01-01T00:00:00Z","plugin":"s","wha`); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestJournalIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := openJournal(file, 2000)
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100 {
		j.add(&Entry{Time: time.Unix(int64(k), 0), Plugin: "p", What: "trapped", Why: strings.Repeat("x", 50)})
	}
	if err := j.close(); err != nil || j.trouble != nil {
		t.Fatal(err, j.trouble)
	}
	for _, name := range []string{file, older(file)} {
		if info, err := os.Stat(name); err != nil || info.Size() > 2000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	list, err := ReadJournal(file)
	if err != nil || len(list) < 15 || list[len(list)-1].Time.Unix() != 99 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for k := range list[1:] {
		if list[k+1].Time.Unix() != list[k].Time.Unix()+1 {
			t.Errorf("entry %d is of %d, after %d", k+1, list[k+1].Time.Unix(), list[k].Time.Unix())
		}
	}
}

// A disk that fails is no reason for the node to: the trouble is there to be shown, and it is written again when it can be.
func TestJournalThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.jsonl")
	j, _, err := openJournal(file, maxJournal)
	if err != nil {
		t.Fatal(err)
	}
	j.f.Close()
	if j.add(&Entry{What: "trapped"}); j.trouble == nil || j.lost != 1 {
		t.Error("no trouble with a file that is closed")
	}
	if j.add(&Entry{What: "replaced"}); j.trouble != nil || j.lost != 1 {
		t.Error(j.trouble)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if list, err := ReadJournal(file); err != nil || len(list) != 1 || list[0].What != "replaced" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, _, err := openJournal(t.TempDir(), maxJournal); err == nil {
		t.Error("a folder is no journal")
	}
}

// Whatever is in the file, reading it ends, and what are whole entries is found.
func FuzzReadJournal(f *testing.F) {
	good := `{"time":"2026-01-01T00:00:00Z","plugin":"s","what":"loaded","who":"node"}` + "\n"
	f.Add([]byte(good), []byte(good))
	f.Add([]byte("{"), []byte("\x00\xff\n\n{}\n"))
	f.Add(bytes.Repeat([]byte("x"), 70<<10), []byte(`{"what":7}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		b := append(append(append(bytes.Clone(before), '\n'), good...), after...)
		list, err := readEntries(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.What == "loaded" && e.Plugin == "s" {
				return
			}
		}
		t.Errorf("the entry is lost in %q", b)
	})
}
