//go:build linux

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/runtime/config"
)

// benchReport is what a script reads of bench --json: the names of the fields are fixed.
type benchReport struct {
	Scenario string `json:"scenario"`
	Names    int    `json:"names"`
	Machine  string `json:"machine"`
	Results  []struct {
		Name         string            `json:"name"`
		Raw          bool              `json:"raw"`
		Exchanges    uint64            `json:"exchanges"`
		PerSecond    float64           `json:"per_second"`
		P50          time.Duration     `json:"p50_ns"`
		P999         time.Duration     `json:"p999_ns"`
		CPU          time.Duration     `json:"cpu_ns"`
		Lost         *uint64           `json:"lost"`
		Drops        map[string]uint64 `json:"drops"`
		Load         float64           `json:"load_busy"`
		Bound        *bool             `json:"lower_bound"`
		MemoryBefore uint64            `json:"memory_before_bytes"`
		MemoryAfter  uint64            `json:"memory_after_bytes"`
		MemoryRounds []uint64          `json:"memory_rounds_bytes"`
		Ready        time.Duration     `json:"ready_ns"`
		RateOfRaw    struct {
			Whole float64 `json:"whole"`
		} `json:"rate_of_raw"`
		CPUOfRaw struct {
			Whole float64 `json:"whole"`
		} `json:"cpu_of_raw"`
	} `json:"results"`
}

// Each scenario against a forwarder and raw servers in processes of their own.
func TestBench(t *testing.T) {
	for _, args := range []string{"hit", "miss --window 32 --strategy best-route --faces 7", "publish --names 16", "fanout --faces 20 --window 1", "mixed --rate 2000", "hit --gso"} {
		t.Run(args, func(t *testing.T) {
			r := asShipped(t, append([]string{"bench", "--json", "--duration", "60ms", "--repeat", "1"}, strings.Fields(args)...)...)
			if strings.Contains(r.err, "run make") && os.Getenv("ZMESH_PLUGINS") == "" {
				t.Skip(r.err)
			}
			r.good(t)
			var list []benchReport
			if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 {
				t.Fatalf("%v: %s", err, r.out)
			}
			rep := list[0]
			if want := 3 + strings.Count(args, "--strategy"); len(rep.Results) != want || rep.Scenario != strings.Fields(args)[0] || rep.Machine == "" {
				t.Fatalf("%d results of %s, want %d", len(rep.Results), rep.Scenario, want)
			}
			for i, res := range rep.Results {
				limit := i == len(rep.Results)-2 // the raw batched calls, which the others are compared with
				if res.Exchanges == 0 || res.PerSecond <= 0 || res.P50 <= 0 || res.P999 < res.P50 || res.CPU <= 0 || res.Lost == nil || *res.Lost > 0 ||
					res.Load <= 0 || res.Bound == nil || res.MemoryBefore == 0 || res.MemoryAfter == 0 || res.Ready <= 0 ||
					(res.RateOfRaw.Whole > 0) == limit || (res.CPUOfRaw.Whole > 0) == limit || res.Raw != strings.HasPrefix(res.Name, "raw") {
					t.Errorf("%+v", res)
				}
			}
		})
	}
}

// An overload is two loads beside a closed loop, on a forwarder each, by the peak that it has found.
func TestBenchOverload(t *testing.T) {
	t.Parallel()
	r := asShipped(t, "bench", "overload", "--json", "--duration", "60ms", "--repeat", "1", "--names", "64", "--window", "32")
	r.good(t)
	var list []struct {
		Peak    float64 `json:"peak_per_second"`
		Results []struct {
			Offered    float64 `json:"offered_per_second"`
			RateOfPeak float64 `json:"rate_of_peak"`
		} `json:"results"`
	}
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 || len(list[0].Results) != 3 || list[0].Peak <= 0 {
		t.Fatalf("%v: %s", err, r.out)
	}
	for _, res := range list[0].Results {
		if res.Offered <= 0 || res.RateOfPeak <= 0 {
			t.Errorf("%s", r.out)
		}
	}
}

func TestBenchOfARunningNode(t *testing.T) {
	n := newNode(t, "")
	cfg, err := config.Load(n.config)
	if err != nil {
		t.Fatal(err)
	}
	r := n.do("bench", "hit", "--to", "udp://"+cfg.Faces[0].Listen, "--duration", "60ms", "--repeat", "1", "--names", "64", "--window", "16")
	r.good(t, "hit: window 16, 64 names, 100 bytes of payload", "zmesh", "µs")
	r = n.do("bench", "hit", "--to", "udp://"+cfg.Faces[0].Listen, "--duration", "60ms", "--repeat", "1", "--names", "64", "--window", "16", "--json")
	r.good(t)
	var list []benchReport
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 1 || list[0].Results[0].CPU <= 0 {
		t.Errorf("%v: the CPU time of a node that has an admin address is not known: %s", err, r.out)
	}
}

func TestBenchWrongUse(t *testing.T) {
	for args, says := range map[string]string{
		"bench hits":                                     "scenario",
		"bench hit miss":                                 "at most 1 arg",
		"bench --window 5":                               "the table has its own",
		"bench hit --cpu 0":                              "two CPUs",
		"bench hit --cpu 0,99":                           "CPU 99",
		"bench hit --to 127.0.0.1:1":                     "no udp://",
		"bench hit --to udp://127.0.0.1:1":               "--config",
		"bench hit --window 3 --rate 5":                  "exclude",
		"bench raw --calls quick":                        "there are plain",
		"bench raw --listen here":                        "--listen",
		"bench fanout --faces 9999":                      "4,096 peers",
		"bench overload --faces 5":                       "one face",
		"bench hit --strategy best-route --payload 1300": "payload",
	} {
		code := exitUsage
		if strings.Contains(args, "raw --calls") {
			code = exitFailed
		}
		zmesh(t, "", strings.Fields(args)...).bad(t, code, says)
	}
}
