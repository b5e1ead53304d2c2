package admin

import "time"

// Sleeper is a device that sleeps between its frames and is served here (P-8): GET /v1/store/sleepers. Commands and Next are the name and number that
// it asked for last besides its own, just after a frame: the number of the command that it wants next.
type Sleeper struct {
	Name     string        `json:"name"`
	URI      string        `json:"uri,omitempty"`
	Face     string        `json:"face"`
	FaceID   uint32        `json:"face_id"`
	Seen     time.Time     `json:"last_seen"`
	Ago      time.Duration `json:"ago_ns"`
	Held     int           `json:"held_interests"`
	Commands string        `json:"commands,omitempty"`
	Next     uint32        `json:"next_command,omitempty"`
}
