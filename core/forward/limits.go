package forward

import "time"

// Limits are the numbers of part 2 of the protocol page. They are for the whole node; each worker has its part of a table.
type Limits struct {
	InterestExpiry  time.Duration // longest honoured (P-3)
	EmptyExpiry     time.Duration // of an Interest without payload (P-3)
	NewestMaxAge    time.Duration // how old a stored newest may be to be an answer (P-15 c)
	TimestampWindow time.Duration // how far off a timestamp may be (P-4, P-11)
	ProducerHold    time.Duration // silence after which a producer face is free (P-17)
	ProxyHold       time.Duration // silence after which a sleeper is forgotten (P-8)
	Idle            time.Duration // silence after which an on-demand face is closed (P-11)

	SubscriptionExpiry time.Duration // longest of our own subscriptions, and of one from an on-demand face (P-16, P-11)
	Retry              time.Duration // between calls of the strategy for one in-record (P-2a)
	Hello              time.Duration // between hellos (P-18)
	HelloMisses        int           // after which a peer that has answered once is down (P-18)

	PIT           int // in-records; an eighth for each face (P-22)
	Subscriptions int // askers; the same
	Producers     int // names with a producer face; the same
	Proxies       int // sleepers; the same
	Seen          int // Interest keys remembered (P-2a, P-11)
	Deliveries    int // names remembered for subscribers of wildcards (P-16)
	Announcements int // from one face (P-7)

	Wildcards       int           // wildcard entries (P-5)
	WildcardAnswers int           // store answers for one Interest (P-5)
	WildcardBurst   int           // of these at once …
	WildcardPace    time.Duration // … and then this pause (P-5)

	Held int // Interests held for one sleeper (P-8)

	HeldFrames     int // frames that wait to be repeated on a broadcast face
	StrategyTimers int // that a strategy may set for one pending Interest, one at a time

	OnDemandFaces   int   // P-11
	FacesPerAddress int   // P-11
	PeerFailures    int64 // MAC failures a second (P-20)
	ListenFailures  int64 // the same for a listener
	PublicRate      int64 // frames a second under the public key, for each face (P-9)
}

// DefaultLimits are the numbers as they stand on the protocol page; the sizes of the tables are ours, for a small gateway.
func DefaultLimits() Limits {
	return Limits{
		InterestExpiry:  18 * time.Hour,
		EmptyExpiry:     2 * time.Second,
		NewestMaxAge:    2 * time.Second,
		TimestampWindow: 5 * time.Minute,
		ProducerHold:    time.Hour,
		ProxyHold:       24 * time.Hour,
		Idle:            2 * time.Minute,

		SubscriptionExpiry: 120 * time.Second,
		Retry:              250 * time.Millisecond,
		Hello:              5 * time.Second,
		HelloMisses:        3,

		PIT:           1 << 17,
		Subscriptions: 1 << 17,
		Producers:     1 << 20,
		Proxies:       1 << 14,
		Seen:          1 << 16,
		Deliveries:    1 << 16,
		Announcements: 1000,

		Wildcards:       1024,
		WildcardAnswers: 64,
		WildcardBurst:   8,
		WildcardPace:    10 * time.Millisecond,

		Held: 16,

		HeldFrames:     256,
		StrategyTimers: 64,

		OnDemandFaces:   4096,
		FacesPerAddress: 64,
		PeerFailures:    100,
		ListenFailures:  1000,
		PublicRate:      10,
	}
}
