package admin

import "time"

// Perf is where the time goes: GET /v1/perf. Counters are since the start. Stages are of a sample, one burst in 64.
type Perf struct {
	CPU     time.Duration `json:"cpu_ns"` // of the process, kernel included; 0 if the system does not tell
	Uptime  time.Duration `json:"uptime_ns"`
	Stages  []Stage       `json:"stages"`
	Sockets []Socket      `json:"sockets"`
}

// Stage is a part of a frame's way: receive, verify, forward, strategy, store, send.
type Stage struct {
	Name   string        `json:"name"`
	Time   time.Duration `json:"time_ns"` // of all frames of the sample
	Frames uint64        `json:"frames"`  // that came in, in the sample
	Each   float64       `json:"each_ns"` // for each of them
}

// Socket is how a UDP socket uses the system.
type Socket struct {
	Name      string `json:"name"` // of the face; "" was opened to send to remotes
	Readers   int    `json:"readers"`
	Datagrams uint64 `json:"datagrams"`
	Bursts    uint64 `json:"bursts"`
	ReadCalls uint64 `json:"read_calls"`
	Naps      uint64 `json:"naps"`     // sleeps before a read, so that several datagrams come together
	Joined    uint64 `json:"joined"`   // messages read that held several datagrams (UDP_GRO)
	Overflow  uint64 `json:"overflow"` // dropped by the kernel: nobody read in time
	Sent      uint64 `json:"sent"`
	SendCalls uint64 `json:"send_calls"`
	Segments  uint64 `json:"segments"` // datagrams that left in messages of several (UDP_SEGMENT)
	Offload   bool   `json:"offload"`  // false: the system has no such messages, or has refused one
	SendFull  uint64 `json:"send_full"`
}
