package guest

import (
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// Sizes of the regions that all kinds have.
const (
	configSize  = 16 << 10
	messageSize = 512
)

// plugin is one of the kinds, seen from the exports: it works on regions, natively as well as in wasm.
type plugin interface {
	regions() (input, output []byte)
	configure(Values) error
	// process works on n items of the input region. It gives how many it did, which is n unless the input is damaged.
	process(n uint32) uint32
}

// served is the plugin of this module. A module has one, so it may be a variable.
var served plugin

// The regions that the host writes to before it knows the kind, 8-aligned by their type.
var (
	arenaWords   [abi.ArenaSize / 8]uint64
	configWords  [configSize / 8]uint64
	messageWords [messageSize / 8]uint64
	progressWord [1]uint64 // a uint64, so that it begins at a multiple of 8; its low 4 bytes count
)

// configure reads the configuration that stands in its region. It gives 0, or how many bytes of text in the message region say
// why not.
func configure(p plugin, config, message []byte) uint32 {
	values, err := abi.ReadValues(config)
	if err == nil {
		err = p.configure(Values{values})
	}
	if err == nil {
		return 0
	}
	text := err.Error()
	if text == "" {
		text = "it gives no reason"
	}
	return uint32(copy(message, text))
}

// itemAt is the item that an input begins with; nil if its size cannot be.
func itemAt(in []byte) []byte {
	if len(in) < 8 {
		return nil
	}
	size := get32(in, abi.ItemSize)
	if size < 8 || size > uint32(len(in)) {
		return nil
	}
	return in[:size]
}

// head writes the head of an output item: three words, because that is what it costs.
func head(out []byte, size, status, count int) {
	out = out[:abi.OutHead]
	put64(out, abi.OutSize, uint64(size)|uint64(status)<<32|uint64(count)<<48)
	put64(out, abi.OutDetails, 0)
	put64(out, abi.OutDetails+8, 0)
}
