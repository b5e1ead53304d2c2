package config

import (
	"math"
	"time"

	"github.com/zmesh/zmesh/core/forward"
	"github.com/zmesh/zmesh/core/name"
)

// times of [limits]. A table, so that Diff says the same as what is read.
func timesOf(f *forward.Limits) []timeLimit {
	const day = 24 * time.Hour
	ms := time.Millisecond
	return []timeLimit{
		{"interest_expiry", &f.InterestExpiry, time.Second, maxExpiry},
		{"empty_expiry", &f.EmptyExpiry, 100 * ms, time.Minute},
		{"newest_max_age", &f.NewestMaxAge, 0, day},
		{"timestamp_window", &f.TimestampWindow, time.Second, day},
		{"producer_hold", &f.ProducerHold, time.Second, 365 * day},
		{"proxy_hold", &f.ProxyHold, time.Second, 365 * day},
		{"idle", &f.Idle, time.Second, day},
		{"subscription_expiry", &f.SubscriptionExpiry, 2 * time.Second, maxExpiry},
		{"retry", &f.Retry, 10 * ms, time.Minute},
		{"hello", &f.Hello, 100 * ms, time.Hour},
		{"wildcard_pace", &f.WildcardPace, ms, time.Minute},
	}
}

// timeLimit is a setting of [limits] that is a time.
type timeLimit struct {
	key       string
	v         *time.Duration
	low, high time.Duration
}

// counts of [limits]: sizes of tables for the whole node, and how often something may happen.
func countsOf(f *forward.Limits) []countLimit {
	const table = 1 << 26
	return []countLimit{
		{"hello_misses", &f.HelloMisses, 1, 1000},
		{"pending_interests", &f.PIT, 64, table},
		{"subscriptions", &f.Subscriptions, 64, table},
		{"producers", &f.Producers, 64, table},
		{"proxies", &f.Proxies, 64, table},
		{"seen_interests", &f.Seen, 64, table},
		{"deliveries", &f.Deliveries, 64, table},
		{"announcements_per_face", &f.Announcements, 1, 1 << 20},
		{"wildcards", &f.Wildcards, 1, 1 << 16},
		{"wildcard_answers", &f.WildcardAnswers, 1, 1 << 16},
		{"wildcard_burst", &f.WildcardBurst, 1, 1 << 16},
		{"held_interests", &f.Held, 1, 1 << 10},
		{"held_frames", &f.HeldFrames, 1, 1 << 16},
		{"strategy_timers", &f.StrategyTimers, 1, 250},
		{"on_demand_faces", &f.OnDemandFaces, 1, 60_000},
		{"faces_per_address", &f.FacesPerAddress, 1, 60_000},
	}
}

// countLimit is a setting of [limits] that is a number.
type countLimit struct {
	key       string
	v         *int
	low, high int64
}

// rates of [limits], by the second.
func ratesOf(f *forward.Limits) []rateLimit {
	return []rateLimit{
		{"peer_failures", &f.PeerFailures},
		{"listener_failures", &f.ListenFailures},
		{"public_key_rate", &f.PublicRate},
	}
}

// rateLimit is a setting of [limits] that is a rate.
type rateLimit struct {
	key string
	v   *int64
}

// readLimits reads [limits]; t may be nil.
func (l *loader) readLimits(t *table) {
	c := &l.cfg.Limits
	c.Limits = forward.DefaultLimits()
	c.Wildcard = byte(t.whole("wildcard", 1, 0xFF, int64(name.DefaultWildcard)))
	for _, s := range timesOf(&c.Limits) {
		*s.v = t.duration(s.key, s.low, s.high, *s.v)
	}
	for _, s := range countsOf(&c.Limits) {
		*s.v = int(t.whole(s.key, s.low, s.high, int64(*s.v)))
	}
	for _, s := range ratesOf(&c.Limits) {
		n := t.rate(s.key, time.Second, int(*s.v))
		if n < 0 {
			n = math.MaxInt32
		}
		*s.v = int64(n)
	}
	if c.FacesPerAddress > c.OnDemandFaces {
		t.wrongUnder("faces_per_address", "faces_per_address is %d, more than the %d on_demand_faces of all: lower it or raise the other",
			c.FacesPerAddress, c.OnDemandFaces)
	}
	if c.WildcardBurst > c.WildcardAnswers {
		t.wrongUnder("wildcard_burst", "wildcard_burst is %d, more than the %d wildcard_answers to one Interest: lower it or raise the other",
			c.WildcardBurst, c.WildcardAnswers)
	}
	t.end()
}
