package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/sdk/node"
)

// reading is a payload of a real device and what its vendor's own decoder makes of it.
type reading struct {
	payload string // hex
	want    map[string]any
}

// The vendors' results, from their own test files: Milesight EM300, EM500 and AM307 (chirpstack-device-profiles and
// lorawan-devices, MIT), Cayenne LPP (myDevices' page; ElectronicCats/CayenneLPP, MIT). The whole set is tested beside the decoders in
// plugins/decoders.
var (
	milesight = []reading{
		{"01755c03673401046865050000", map[string]any{"battery": 92.0, "temperature": 30.8, "humidity": 50.5}},
		{"03672c00046817", map[string]any{"temperature": 4.4, "humidity": 11.5}},
		{"01756403672c01", map[string]any{"battery": 100.0, "temperature": 30.0}},
		{"01756403821e00", map[string]any{"battery": 100.0, "distance": 30.0}},
	}
	cayenne = []reading{
		{"0167ffd7", map[string]any{"temperature_1": -4.1}},
		{"02686c", map[string]any{"humidity_2": 54.0}},
		{"037457b8", map[string]any{"voltage_3": 224.56}},
	}
)

const sensorCount = 12

// sensor is a device: a name, its stream, and where it is in its readings.
type sensor struct {
	uri      string
	decoder  string
	readings []reading
	stream   *node.Stream
	wrong    *node.Stream // the same name with another key
	node     *node.Node
	producer *node.Producer
}

// reading is what the sensor publishes under a number.
func (s *sensor) reading(seq uint32) *reading { return &s.readings[int(seq)%len(s.readings)] }

// rooms are the second half of the names table: one byte each.
var rooms = []string{
	"merkur", "venus", "terra", "mars", "jupiter", "saturn", "uranus", "neptun", "pluto", "ceres", "eris", "luna",
}

// writeNames writes the deployment's table, and gives the naming made from it.
func writeNames(root string) (*name.Network, error) {
	levels := []map[string]int64{{"location/hq": 1}, {"floor/1": 1, "floor/2": 2}, {}, {"event/reading": 1}}
	for i, r := range rooms {
		levels[2]["room/"+r] = int64(i + 1)
	}
	var b strings.Builder
	settings := name.Settings{Naming: name.Hierarchical}
	for _, pairs := range levels {
		b.WriteString("[[levels]]\n")
		for pair, value := range pairs {
			fmt.Fprintf(&b, "%q = %d\n", pair, value)
		}
		settings.Levels = append(settings.Levels, name.LevelOf(pairs, func(string) int { return 0 }))
	}
	if err := os.WriteFile(filepath.Join(root, "names.toml"), []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return name.NewNetwork(settings)
}

// newSensors makes twelve, of two makes and with two ciphers, each with a key of its own.
func newSensors(naming *name.Network) ([]*sensor, error) {
	var list []*sensor
	for i, room := range rooms {
		s := &sensor{uri: fmt.Sprintf("location/hq/floor/%d/room/%s/event/reading", i%2+1, room), decoder: "milesight", readings: milesight}
		if i%2 == 1 {
			s.decoder, s.readings = "cayenne-lpp", cayenne
		}
		method := node.AES128CTR
		if i%4 >= 2 {
			method = node.ChaCha20Poly1305
		}
		n, err := naming.Parse(s.uri)
		if err != nil {
			return nil, err
		}
		if s.stream, err = randomStream(n, method); err != nil {
			return nil, err
		}
		if s.wrong, err = randomStream(n, method); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func randomStream(n name.Name, m node.Method) (*node.Stream, error) {
	secret := make([]byte, m.KeySize()+node.IVSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return node.NewStream(n, m, secret[:m.KeySize()], secret[m.KeySize():])
}

// network is the demo's network, or with other set one with another key.
func network(other bool) (wire.Network, error) {
	b, err := hex.DecodeString(networkKey)
	if err != nil {
		return wire.Network{}, err
	}
	key := [wire.KeySize]byte(b)
	if other {
		key[0]++
	}
	return wire.Network{Keys: [wire.NetworkKeys]*[wire.KeySize]byte{&key}}, nil
}

// dial opens a link to a forwarder.
func dial(ctx context.Context, f *forwarder, wrongKey bool) (*node.Node, error) {
	net, err := network(wrongKey)
	if err != nil {
		return nil, err
	}
	return node.Dial(ctx, "udp://"+f.address(), node.Config{Network: net})
}

// connect gives every sensor a link of its own.
func connect(ctx context.Context, sensors []*sensor, to *forwarder, marks *node.Watermark) (err error) {
	for _, s := range sensors {
		if s.node, err = dial(ctx, to, false); err != nil {
			return err
		}
		s.producer = node.NewProducer(s.node, s.stream, marks)
	}
	return nil
}

// publish sends a sensor's next reading.
func (s *sensor) publish(seq uint32) error {
	payload, err := hex.DecodeString(s.reading(seq).payload)
	if err != nil {
		return err
	}
	got, err := s.producer.Publish(payload)
	if err == nil && got != seq {
		err = fmt.Errorf("%s: the watermark gave %d, want %d", s.uri, got, seq)
	}
	return err
}
