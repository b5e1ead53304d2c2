//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// soak gives the fraction of its full length that a long test is to have; without one it is skipped.
func soak(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv("ZMESH_SOAK")
	if text == "" {
		t.Skip("a long test: set ZMESH_SOAK to a fraction of its full length, or run make soak")
	}
	part, err := strconv.ParseFloat(text, 64)
	if err != nil || part <= 0 || part > 1 {
		t.Fatalf("ZMESH_SOAK=%q is no number above 0 and up to 1", text)
	}
	return part
}

func benchOne(t *testing.T, args ...string) benchReport {
	t.Helper()
	r := zmesh(t, "", append([]string{"bench", "--json", "--no-raw"}, args...)...)
	r.good(t)
	var list []benchReport
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 || len(list[0].Results) != 1 {
		t.Fatalf("%v: %s", err, r.out)
	}
	return list[0]
}

// Interests for ever new names, at half of what the node carries: its memory comes to rest, and nothing is lost. The bounds leave
// room for what else the machine does.
func TestSoakNewNames(t *testing.T) {
	t.Setenv(asZmesh, "1")
	d := max(time.Duration(soak(t)*float64(50*time.Second)), 2*time.Second)
	peak := benchOne(t, "miss", "--names", "-1", "--duration", "1s", "--repeat", "1").Results[0].PerSecond
	rate := min(50_000, peak/2)
	res := benchOne(t, "miss", "--names", "-1", "--rate", fmt.Sprint(int(rate)), "--duration", d.String(), "--repeat", "10").Results[0]
	t.Logf("%.0f a second for %s: %d lost of %d, memory %v", rate, d, *res.Lost, res.Exchanges, res.MemoryRounds)
	if float64(*res.Lost) > float64(res.Exchanges)/100 {
		t.Errorf("%d lost of %d: %v", *res.Lost, res.Exchanges, res.Drops)
	}
	if m := res.MemoryRounds; float64(m[9]) > 1.25*float64(m[5]) && d >= 20*time.Second {
		t.Errorf("memory goes on growing: %v", m)
	}
}
