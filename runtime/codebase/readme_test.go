package codebase

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slow are the commands that a README may show and that the test does not simply run; for each it checks that the Makefile has the target.
// make test would call itself. make is run: what comes after it in a README needs bin/zmesh. With ZMESH_README_FULL=1, as .ci/run has it, make
// demo is run too.
var slow = map[string]struct{ never bool }{
	"make demo": {},
	"make test": {never: true}, "make soak": {never: true}, "make bench": {never: true}, ".ci/run": {never: true},
}

// Each README is a promise: what stands in its blocks of ```sh works, in the order in which it stands there, at the root of a
// fresh copy of the tree.
func TestCommandsOfReadmes(t *testing.T) {
	for _, p := range files(t) {
		if !strings.HasPrefix(path.Base(p), "README") || path.Ext(p) != ".md" {
			continue
		}
		t.Run(p, func(t *testing.T) {
			commands, err := shellBlocks(text(t, p))
			if err != "" {
				t.Fatal(err)
			}
			if len(commands) == 0 {
				return
			}
			runInCopy(t, commands)
		})
	}
}

// shellBlocks gives the lines of all ```sh blocks. A block of another shell's name would not be run, so it is a mistake.
func shellBlocks(readme string) (lines []string, mistake string) {
	inside, block := false, false
	for _, line := range strings.Split(readme, "\n") {
		lang, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && inside:
			inside, block = false, false
		case fence:
			inside, block = true, lang == "sh"
			if strings.Contains(" bash shell zsh console shell-session ", " "+lang+" ") {
				return nil, "a block of " + lang + " is not run: write ```sh"
			}
		case block && strings.HasPrefix(line, "$ "):
			return nil, "a command begins with a prompt, so it cannot be copied: " + line
		case block:
			lines = append(lines, line)
		}
	}
	return lines, ""
}

// runInCopy runs the lines as one script. What it starts in the background ends with it, and before the next one begins: both may use
// one port.
func runInCopy(t *testing.T, lines []string) {
	dir := t.TempDir()
	copyTree(t, dir)
	copyBuilt(t, dir)
	script := []string{"set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"}
	for _, line := range lines {
		command, _, _ := strings.Cut(line, "#")
		s, isSlow := slow[strings.TrimSpace(command)]
		switch {
		case isSlow && (s.never || os.Getenv("ZMESH_README_FULL") == ""):
			checkTarget(t, dir, strings.TrimSpace(command))
		default:
			script = append(script, line)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", strings.Join(script, "\n"))
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, strings.Join(script, "\n"), out)
	}
}

// checkTarget tells whether a slow command could be started: the file is there, or make knows the target.
func checkTarget(t *testing.T, dir, command string) {
	if !strings.HasPrefix(command, "make") {
		if _, err := os.Stat(filepath.Join(dir, command)); err != nil {
			t.Errorf("%s: %v", command, err)
		}
		return
	}
	cmd := exec.Command("make", append([]string{"-n"}, strings.Fields(command)[1:]...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=") // not those of the make that runs this test
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// copyTree copies what a clone would have: the files that git knows and those that it would take. Outside of a checkout, everything.
func copyTree(t *testing.T, dir string) {
	list := files(t)
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	if out, err := git.Output(); err == nil {
		list = strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	for _, p := range list {
		copyFile(t, filepath.Join(root, p), filepath.Join(dir, p))
	}
}

// copyBuilt adds the plugins that make has built in the tree, which would take as long again in each copy. A run with ZMESH_README_FULL
// builds them, as whoever reads a README does.
func copyBuilt(t *testing.T, dir string) {
	if os.Getenv("ZMESH_README_FULL") != "" {
		return
	}
	built, err := filepath.Glob(filepath.Join(root, "runtime/plugin/builtin/*.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range built {
		copyFile(t, p, filepath.Join(dir, "runtime/plugin/builtin", filepath.Base(p)))
	}
}

func copyFile(t *testing.T, from, to string) {
	src, err := os.Open(from)
	if os.IsNotExist(err) {
		return // deleted and not yet committed
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(dst, src); err == nil {
		err = dst.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestShellBlocks(t *testing.T) {
	const readme = "text\n```sh\nmake\nbin/zmesh demo # all\n```\n```toml\n[node]\n```\n```sh\nls\n```\n"
	lines, mistake := shellBlocks(readme)
	if got := strings.Join(lines, ";"); got != "make;bin/zmesh demo # all;ls" || mistake != "" {
		t.Errorf("got %q, %q", got, mistake)
	}
	for _, wrong := range []string{"```bash\nls\n```", "```sh\n$ ls\n```"} {
		if _, mistake := shellBlocks(wrong); mistake == "" {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

// The script stops at the first command that fails, and sees a fresh copy of the tree.
func TestScriptsRunInACopy(t *testing.T) {
	runInCopy(t, []string{"make test  # is not run here", "test -f go.mod", "test ! -e .git", "sleep 600 &", "touch new"})
	if _, err := os.Stat(filepath.Join(root, "new")); err == nil {
		t.Error("the script ran in the tree itself")
	}
}
