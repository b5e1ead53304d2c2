// Package drop owns the list of reasons for which a frame is dropped.
//
// Nothing is dropped silently: whoever lets go of a frame counts it under one of these, by face. The names are what an
// operator sees as the label of zmesh_frames_dropped_total, so they change only with a line in CHANGELOG.md.
// A Reason is an error, so that parsers can return it without allocating.
package drop

// Reason says why a frame was dropped. None (0) means that it was not.
type Reason uint8

// The reasons, in the order in which a frame meets them.
const (
	None Reason = iota
	// Before anybody has seen it.
	ReceiveBuffer // the system dropped it, because the reader was busy for so long that its buffer was full; it counts datagrams that it has joined (UDP_GRO) once
	// What the bytes say (P-23).
	Short              // shorter than 15 bytes, or 19 with a Net ID
	Long               // longer than 1,280 bytes or the face's MTU
	Version            // FHDR version other than 0
	InterestLength     // Interest payload of other than 0 or 8 bytes
	ReturnLength       // Interest Return payload of the wrong length
	AnnouncementLength // Content Announcement payload of the wrong length
	ContentNumber      // Content numbered 0 or 0xFFFFFF
	BadName            // a name that the network's naming forbids
	// Who sent it.
	ForeignNetwork // a Net ID for which no keys are configured (P-19)
	UnknownKey     // FCTRL names a network key that is not configured
	BadMAC         // the MAC does not verify
	MACBudget      // not verified: too many failures in this second (P-20)
	PublicKey      // under the public key, and not an Interest for a name on the onboarding list (P-9)
	PublicRate     // under the public key, beyond the face's rate (P-9)
	FacesFull      // no room for another on-demand face (P-11)
	NoFace         // the face is gone
	// Interests.
	Clock    // timestamp further off than the window (P-4)
	Replayed // its key was seen from another on-demand address (P-11)
	Loop     // it came in on a face that it was sent to (P-2a)
	Refused  // the face's ask policy does not cover the name
	NoRoute  // nothing to send it to
	TTLEnded // TTL 0 and not in the store
	NotHere  // its number is not here, and here is where it would be
	Quota    // the table or the face's share of it is full (P-22)
	Expired  // expiry 0 and not in the store
	Wildcard // a wildcard where it has no meaning, or the wildcard table is full (P-5)
	// Contents.
	Unsolicited    // nobody asked and the face may not publish it (P-17)
	SecondProducer // another face produces this name (P-17)
	Conflict       // same name and number as a stored one, other bytes (P-17)
	Duplicate      // the same frame is stored already and nobody waits for it
	Suspect        // a backward jump that may open a new epoch; kept aside (P-1)
	// Interest Returns and Announcements.
	UnsolicitedReturn  // no Interest with these bytes is pending on that face (P-6)
	AnnouncementPolicy // the face's announce policy does not cover the prefix (P-7)
	AnnouncementQuota  // too many announcements from this face (P-7, P-22)
	AnnouncementOld    // FSEQ not newer and not feasible (P-7)
	OwnAnnouncement    // our own, come back
	Hello              // a hello or its echo that fits no probe of ours (P-18)
	// Sending.
	FaceDown   // the face is down
	SendQueue  // the link took no more
	TooBigFace // longer than the MTU of the face that it was to leave by
	Strategy   // the strategy said drop
	HeldFrames // the strategy wanted to repeat it, and too many frames are held for that
	SlowPeer   // the peer did not take it in time
	HalfDuplex // the link took no more: the medium was not silent long enough to send
	DutyCycle  // the link took no more: its share of the time was spent
	// Links with a driver, receiving and sending.
	Framing      // bytes of which the driver can make no frame
	NoDriver     // there was no driver at work
	DriverTrap   // the driver trapped on it
	DriverFailed // the driver had no answer, or one that cannot be

	Count // number of reasons, not a reason
)

var names = [Count]string{
	None: "none", ReceiveBuffer: "receive_buffer", Short: "short", Long: "long", Version: "version", InterestLength: "interest_length",
	ReturnLength: "return_length", AnnouncementLength: "announcement_length", ContentNumber: "content_number",
	BadName: "bad_name", ForeignNetwork: "foreign_network", UnknownKey: "unknown_key", BadMAC: "bad_mac",
	MACBudget: "mac_budget", PublicKey: "public_key", PublicRate: "public_rate", FacesFull: "faces_full", NoFace: "no_face",
	Clock: "clock", Replayed: "replayed", Loop: "loop", Refused: "refused", NoRoute: "no_route", TTLEnded: "ttl_ended",
	NotHere: "not_here", Quota: "quota", Expired: "expired", Wildcard: "wildcard",
	Unsolicited: "unsolicited", SecondProducer: "second_producer", Conflict: "conflict", Duplicate: "duplicate",
	Suspect: "suspect", UnsolicitedReturn: "unsolicited_return", AnnouncementPolicy: "announcement_policy",
	AnnouncementQuota: "announcement_quota", AnnouncementOld: "announcement_old", OwnAnnouncement: "own_announcement",
	Hello: "hello", FaceDown: "face_down", SendQueue: "send_queue", TooBigFace: "too_big_for_face", Strategy: "strategy",
	HeldFrames: "held_frames",
	SlowPeer:   "slow_peer", HalfDuplex: "half_duplex", DutyCycle: "duty_cycle",
	Framing: "framing", NoDriver: "no_driver", DriverTrap: "driver_trap", DriverFailed: "driver_failed",
}

// String is the reason as it stands in metrics and status.
func (r Reason) String() string {
	if r >= Count {
		return "unknown"
	}
	return names[r]
}

// Error makes a Reason an error.
func (r Reason) Error() string { return r.String() }
