package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Wrong flags and arguments are usage, wherever the library finds them; what a command does with good ones is not.
func TestExitCodesOfMistakes(t *testing.T) {
	dir := t.TempDir()
	config := writeFile(t, filepath.Join(dir, "node.toml"), nodeConfig(freePort(t), ""))
	for _, c := range []struct {
		args string
		says string
	}{
		{"--wrong", "--wrong"},
		{"run --wrong", "--wrong"},
		{"face sideways up", "sideways"},
		{"pub a/b", "text hex file value lines"},
		{"pub a/b --text x --hex 00", "text hex file value lines"},
		{"pub a/b --value=", "no number"},
		{"pub a/b --value x", "no number"},
		{"pub a/b --hex 0", "--hex"},
		{"pub a/b --text x --seq 0", "--seq"},
		{"pub a/b --text x --seq 16777215", "--seq"},
		{"pub a/*/b --text x", "wildcard"},
		{"pub a/b --file /dev/zero", "too long"},
		{"get a/b --seq 0", "--seq"},
		{"get a/b --seq twelve", "--seq"},
		{"get a/b --raw --decode", "raw"},
		{"get a/b --timeout -1s", "--timeout"},
		{"get a/b --to tcp://127.0.0.1:9", "udp://HOST:PORT"},
		{"sub a/b --count -1", "--count"},
		{"sub a/b --for -1s", "--for"},
		{"sub a/b --from 16777215", "16777215"},
		{"ping a/b --count 0", "--count"},
		{"decode --plugin builtin:milesight --hex 00 --time yesterday", "--time"},
	} {
		args := strings.Fields(c.args)
		if args[0] != "--wrong" {
			args = append(args, "--config", config)
		}
		r := zmesh(t, "", args...)
		r.bad(t, exitUsage, c.says)
		if strings.Count(r.err, "\n") != 1 || r.out != "" {
			t.Errorf("%s: said %q and printed %q, want one sentence", c.args, r.err, r.out)
		}
	}
}

// A forwarder that is not there: nothing is found, and the reason is told.
func TestNobodyAnswers(t *testing.T) {
	config := writeFile(t, filepath.Join(t.TempDir(), "node.toml"), nodeConfig(freePort(t), ""))
	for _, args := range [][]string{
		{"get", topic, "--timeout", "300ms"},
		{"ping", topic, "--timeout", "300ms", "--count", "1"},
		{"pub", topic, "--text", "x", "--confirm", "--timeout", "300ms"},
	} {
		r := zmesh(t, "", append(args, "--config", config)...)
		r.bad(t, exitNothing, "refused")
	}
	zmesh(t, "", "sub", topic, "--for", "300ms", "--config", config).bad(t, exitNothing, "nothing came")
	zmesh(t, "", "status", "--config", config).bad(t, exitFailed, "no node answers")
}

// Each verb has its own default, whichever other verbs there are.
func TestPubWaitsForANodeThatStarts(t *testing.T) {
	n := newNode(t, "")
	n.end(syscall.SIGTERM)
	published := make(chan result, 1)
	go func() { published <- n.do("pub", topic, "--text", "x", "--confirm") }()
	select {
	case r := <-published:
		t.Fatalf("it has not waited: %s", r.err)
	case <-time.After(3 * time.Second): // longer than the other verbs wait
	}
	n.start()
	r := <-published
	r.good(t, "durable")
}

func TestShellCompletionWantsNoConfiguration(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		zmesh(t, "", "completion", shell).good(t, "zmesh")
	}
	zmesh(t, "", "__complete", "").good(t, "run", "pub", "plugin")
	zmesh(t, "", "__complete", "face", "").good(t, "up", "down")
}

// An interrupt ends pub --lines although nothing comes in.
func TestInterruptWhileNothingComes(t *testing.T) {
	n := newNode(t, "")
	ctx, interrupt := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	defer typing.Close()
	said, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, []string{"pub", topic, "--lines", "--config", n.config}, in, out, io.Discard)
	}()
	go func() { _, _ = io.WriteString(typing, "one\n") }()
	first := make([]byte, 64)
	if size, err := said.Read(first); err != nil || !strings.Contains(string(first[:size]), "#1") {
		t.Fatalf("%s, %v", first[:size], err)
	}
	interrupt()
	select {
	case c := <-code:
		if c != exitDone {
			t.Errorf("exit code %d", c)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	n.do("pub", topic, "--text", "two").good(t, "#2") // the numbers that were not used were given back
}

// A content that does not open is told, and those after it are printed.
func TestOneBrokenContentDoesNotEndTheStream(t *testing.T) {
	n := newNode(t, "")
	plain := writeFile(t, filepath.Join(filepath.Dir(n.config), "plain.toml"), strings.Replace(readFile(t, n.config), streams, "", 1))
	n.do("pub", topic, "--text", "1").good(t)
	zmesh(t, "", "pub", topic, "--text", "not sealed", "--config", plain).good(t, "#2")
	n.do("pub", topic, "--text", "3").good(t)
	r := n.do("sub", topic, "--from", "1", "--count", "3", "--json")
	r.bad(t, exitFailed, "#2", "not all that came")
	if strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, `"seq":3`) {
		t.Errorf("printed %q", r.out)
	}
	n.do("get", topic, "--seq", "2").bad(t, exitFailed, "#2")
	n.do("get", topic, "--decode").bad(t, exitFailed, "no decoder")
}

// What the store does not take is not confirmed as if it had.
func TestConfirmIsHonest(t *testing.T) {
	n := newNode(t, "[[store.rules]]\nprefix = \"\"\ndurability = \"durable\"\nmax_rate_per_name = \"1/min\"\n")
	n.do("pub", topic, "--text", "1", "--confirm").good(t, "durable")
	for range 3 { // a minute's share may be counted in more than one go
		if r := n.do("pub", topic, "--text", "2", "--confirm"); r.code != exitDone {
			r.bad(t, exitFailed, "not stored", "max_rate_per_name")
			return
		}
	}
	t.Error("four contents in a minute are confirmed where one is taken")
}

// What a face may not publish is refused without a word on the wire; the tool says what to look at.
func TestConfirmOfWhatMayNotBePublished(t *testing.T) {
	n := newNode(t, "")
	writeFile(t, n.config, strings.Replace(readFile(t, n.config), `publish = [""]`, `publish = ["010203040506"]`, 1))
	n.do("reload").good(t)
	n.do("pub", topic, "--text", "x", "--confirm").bad(t, exitFailed, "was not taken", "publish")
}

func TestJSONOfEveryReadingCommand(t *testing.T) {
	n := newNode(t, "")
	n.do("pub", topic, "--text", "21.5", "--confirm").good(t)
	for _, verb := range []string{
		"check", "status", "face", "route", "strategy", "store", "plugin list", "plugin journal", "reload", "get " + topic, "sub --count 1 --from 1 " + topic,
		"ping --count 1 " + topic, "trace " + topic, "name " + topic,
	} {
		r := n.do(append(strings.Fields(verb), "--json")...)
		r.good(t)
		in := json.NewDecoder(strings.NewReader(r.out))
		count := 0
		for ; ; count++ {
			var v any
			if err := in.Decode(&v); errors.Is(err, io.EOF) {
				break
			} else if err != nil || v == nil {
				t.Errorf("%s --json: %q: %v", verb, r.out, err)
				break
			}
		}
		if count == 0 {
			t.Errorf("%s --json printed nothing", verb)
		}
		for _, key := range []string{"2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f"} {
			if strings.Contains(r.out+r.err, key) {
				t.Errorf("%s --json has a key in it: %s%s", verb, r.out, r.err)
			}
		}
	}
	broken := writeFile(t, filepath.Join(filepath.Dir(n.config), "broken.toml"), "[node\n")
	var c checked
	r := zmesh(t, "", "check", "--json", "--config", broken)
	if err := json.Unmarshal([]byte(r.out), &c); err != nil || c.Good || len(c.Mistakes) == 0 || r.code != exitUsage {
		t.Errorf("check --json: %d %q, %v", r.code, r.out, err)
	}
}

// A node that is told to stop while it starts ends at once, and as if it had been ready.
func TestStopWhileStarting(t *testing.T) {
	config := writeFile(t, filepath.Join(t.TempDir(), "node.toml"), nodeConfig(freePort(t), ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := execute(ctx, []string{"run", "--config", config}, strings.NewReader(""), &out, io.Discard); code != exitDone || out.String() != "" {
		t.Errorf("exit code %d, %q", code, out.String())
	}
}

// A log that nobody reads does not stop the node, nor its end.
func TestLogThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := newPatient(w)
	line := []byte(strings.Repeat("x", 1000) + "\n")
	start := time.Now()
	for range 5 * patientLines {
		if n, err := p.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	_, _ = p.Write(line) // after the end: not a panic
	_ = w.Close()
}

// The process prints one line, ready, and logs JSON where no terminal is, at the level of the configuration.
func TestLogFormatAndLevel(t *testing.T) {
	for level, want := range map[string]bool{"info": true, "error": false} {
		n := newNode(t, "[log]\nlevel = \""+level+"\"\n")
		n.end(syscall.SIGTERM)
		lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
		if got := json.Valid([]byte(lines[0])); got != want || want && !strings.Contains(lines[0], "running") {
			t.Errorf("level %s: %q", level, n.log)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
