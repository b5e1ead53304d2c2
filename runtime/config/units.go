package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/zmesh/zmesh/core/store"
)

// parseDuration reads what time.ParseDuration does, and whole days: "7d".
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err == nil && n <= 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration: write a number with a unit, such as "500ms", "10m", "24h" or "7d"`, text)
	}
	return d, nil
}

// durationText is a short text that parseDuration reads as d: 24h, not 24h0m0s.
func durationText(d time.Duration) string {
	if day := 24 * time.Hour; d >= 2*day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// sizeUnits are the units of sizes, in bytes.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// parseSize reads a number of bytes: "2GiB", "1.5MB", "4096".
func parseSize(text string) (int64, error) {
	number, unit := strings.TrimSpace(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf(`%q is not a size: write a number with a unit, such as "64MiB" or "2GiB"`, text)
	}
	return int64(f * float64(unit)), nil
}

// sizeText is a size in the largest unit of 1,024 that it is a whole number of.
func sizeText(n int64) string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// rateUnits are the units of rates.
var rateUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour, "hour": time.Hour, "d": 24 * time.Hour, "day": 24 * time.Hour,
}

// parseRate reads "600/min", "10/s" or "unlimited" and gives it for the time that per is: whole, or store.Unlimited.
func parseRate(text string, per time.Duration) (int, error) {
	if text == "unlimited" {
		return store.Unlimited, nil
	}
	wrong := fmt.Errorf(`%q is not a rate: write a whole number by a time, such as "600/min", "10/s" or "2/h", or "unlimited"`, text)
	count, unit, ok := strings.Cut(text, "/")
	every := rateUnits[strings.TrimSpace(unit)]
	n, err := strconv.ParseUint(strings.TrimSpace(count), 10, 31)
	if !ok || err != nil || every == 0 {
		return 0, wrong
	}
	total := float64(n) * float64(per) / float64(every)
	switch {
	case total < 1:
		return 0, fmt.Errorf("%q is less than 1 in %s, the least that is counted: write more", text, durationText(per))
	case total > math.MaxInt32:
		return 0, fmt.Errorf(`%q is too high: write "unlimited" for no bound`, text)
	}
	return int(total), nil
}

// rateText is a rate as a person reads it.
func rateText(n int, unit string) string {
	if n == store.Unlimited || n == math.MaxInt32 {
		return "unlimited"
	}
	return strconv.Itoa(n) + "/" + unit
}
