package name

// Class is what byte 0 of a hierarchical name says about it (protocol page, part 1). In a hashed network the lists of
// the configuration say it (P-14).
type Class uint8

// The classes.
const (
	User        Class = iota // 01-9F
	NoCache                  // A0-AF: never cached
	Management               // FE: Z-Mesh device management
	Proprietary              // FD: proprietary management
	Reserved                 // the rest
)

var classNames = [...]string{"user", "never cached", "device management", "proprietary management", "reserved"}

// String is the class in words, as `zmesh name` prints it.
func (c Class) String() string {
	if int(c) >= len(classNames) {
		return "unknown"
	}
	return classNames[c]
}

// classOf is the class of byte 0 of a hierarchical name.
func classOf(b byte) Class {
	switch {
	case b >= 0x01 && b <= 0x9F:
		return User
	case b >= 0xA0 && b <= 0xAF:
		return NoCache
	case b == 0xFE:
		return Management
	case b == 0xFD:
		return Proprietary
	}
	return Reserved
}

// Class tells the class of a name. It does not allocate.
func (w *Network) Class(n Name) Class {
	if w.naming == Hierarchical {
		return classOf(n[0])
	}
	return w.classes[n.Uint48()] // User is the zero value
}

// NeverCached tells whether contents of the name must not be stored.
func (w *Network) NeverCached(n Name) bool { return w.Class(n) == NoCache }

// Management tells whether the name belongs to device management, Z-Mesh's or proprietary (P-9).
func (w *Network) Management(n Name) bool {
	c := w.Class(n)
	return c == Management || c == Proprietary
}

// flaw is what is wrong with a name in a hierarchical network (P-23).
type flaw uint8

const (
	sound flaw = iota
	reservedByte
	afterEnd
	wildcardByte
)

var flawTexts = [...]string{
	sound:        "",
	reservedByte: "byte 0 is reserved: use 01 to AF, FD or FE",
	afterEnd:     "a byte after 00, which ends a name, is not 00",
	wildcardByte: "it holds the wildcard byte, which stands only for what is asked for (P-5)",
}

// flaw finds the first thing wrong with n. Only what is asked for may hold wildcards, at levels 1 to 5.
func (w *Network) flaw(n Name, wildcards bool) flaw {
	if w.naming == Hashed {
		return sound // any 48 bits may be a hash
	}
	if classOf(n[0]) == Reserved {
		return reservedByte
	}
	if all := n.Uint48(); !holds(all|behind(all), 0) && (wildcards || !holds(all, w.wildcard)) {
		return sound
	}
	ended := false
	for _, b := range n[1:] {
		switch {
		case b == 0:
			ended = true
		case ended:
			return afterEnd
		case b == w.wildcard && !wildcards:
			return wildcardByte
		}
	}
	return sound
}

// Valid tells whether a Content may have the name (P-23): in a hierarchical network byte 0 is not reserved, nothing
// follows 00, and there is no wildcard. In a hashed network every name is valid. It does not allocate.
func (w *Network) Valid(n Name) bool { return w.flaw(n, false) == sound }

// ValidPattern is the same for an Interest and its Return: wildcards are allowed at levels 1 to 5 (P-5, P-23).
func (w *Network) ValidPattern(n Name) bool { return w.flaw(n, true) == sound }

// ValidPrefix is the same for a prefix, as an Announcement has one (P-7, P-14): its bytes past Len are 0, in a hashed network its
// length is 0 or 6, and in a hierarchical one what is there could start a valid name.
func (w *Network) ValidPrefix(p Prefix) bool {
	switch {
	case p.Len > Size || p != MakePrefix(p.Name, p.Len):
		return false
	case p.Len == 0:
		return true
	case w.naming == Hashed:
		return p.Len == Size
	}
	return w.flaw(p.Name, false) == sound
}
