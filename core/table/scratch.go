package table

// Sizes of what the host keeps for a strategy, in bytes.
const (
	RouteScratchSize   = 96 // by route
	PendingScratchSize = 64 // by pending Interest
)

// RouteScratch is a block that a strategy keeps by route. Owner is the strategy whose it is, and Schema the id of what the bytes mean to
// it; 0: nothing was written yet. Who reads a block of another schema converts it or clears it.
type RouteScratch struct {
	Owner  uint32
	Schema uint64
	Bytes  [RouteScratchSize]byte
}

// PendingScratch is the same by pending Interest.
type PendingScratch struct {
	Owner  uint32
	Schema uint64
	Bytes  [PendingScratchSize]byte
}

// MaxOwners is how many strategies may have a block in one route; a further one takes the place of the first.
const MaxOwners = 4

// RouteState is what a worker keeps by route: blocks of strategies, and what was measured of each next hop. It ends with the
// route. It is made when a strategy first asks for it, and holds no more than MaxOwners blocks and MaxPaths next hops.
type RouteState struct {
	Decision any // the worker's: what the strategy has last said of an Interest

	blocks []*RouteScratch
	paths  []Path
}

// Scratch gives the block of a strategy, zeroed if it had none. What is written there is kept until another strategy needs the place.
func (s *RouteState) Scratch(owner uint32) *RouteScratch {
	for _, b := range s.blocks {
		if b.Owner == owner {
			return b
		}
	}
	if len(s.blocks) == MaxOwners {
		copy(s.blocks, s.blocks[1:])
		s.blocks = s.blocks[:MaxOwners-1]
	}
	b := &RouteScratch{Owner: owner}
	s.blocks = append(s.blocks, b)
	return b
}
