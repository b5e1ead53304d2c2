package config

import (
	"path/filepath"
	"slices"

	"github.com/zmesh/zmesh/faces/driver"
)

// DriverFace is what a face of the type driver has besides.
type DriverFace struct {
	Plugin    string           // the name of a plugin
	Transport driver.Transport // what moves the bytes
	Device    string           // of a serial port
	Serial    driver.SerialMode
}

// transports are those of a driver's face, by the names of the file.
var transports = []string{string(driver.TCP), string(driver.Unix), string(driver.UDP), string(driver.Serial)}

// Settings of a serial port.
const (
	minBaud, maxBaud, standardBaud = 50, 4_000_000, 115_200
	standardParity                 = "none"
)

// readDriver reads plugin, transport, and where the face leads.
func (l *loader) readDriver(t *table, f *Face) {
	if !t.has("plugin") {
		t.wrongAt(t.at, `face %q has no plugin: add the name of a driver in [[plugins]], or of one that ships there: %s`, f.Name, enumerate(builtinNames(KindDriver)))
	}
	f.Driver.Plugin = l.pluginOf(t, "plugin", KindDriver)
	if !t.has("transport") {
		t.wrongAt(t.at, "face %q has no transport: add one of %s", f.Name, enumerate(transports))
	}
	f.Driver.Transport = driver.Transport(t.choice("transport", "", transports...))
	if f.Driver.Transport == driver.Serial {
		l.readSerial(t, f)
		return
	}
	for _, key := range []string{"device", "baud", "data_bits", "parity", "stop_bits"} {
		if t.has(key) && f.Driver.Transport != "" {
			t.wrong(key, `%s is for transport = "serial": remove it`, key)
			t.take(key)
		}
	}
	l.needEnd(t, f)
	switch f.Driver.Transport {
	case driver.Unix:
		f.Listen, f.Remote = l.socketPath(t, "listen"), l.socketPath(t, "remote")
	case driver.TCP, driver.UDP:
		f.Listen, f.Remote = t.address("listen", addressKind{listen: true}), t.address("remote", addressKind{})
	default:
		t.take("listen")
		t.take("remote")
	}
}

// readSerial reads a serial port.
func (l *loader) readSerial(t *table, f *Face) {
	for _, key := range []string{"listen", "remote"} {
		if t.has(key) {
			t.wrong(key, "a serial port has neither listen nor remote: remove it, device says where the face leads")
			t.take(key)
		}
	}
	d := &f.Driver
	if d.Device = t.text("device", ""); d.Device == "" {
		t.wrongAt(t.at, `face %q has no device: add the serial port, such as device = "/dev/ttyUSB0"`, f.Name)
	}
	parities := make([]string, 0, len(driver.Parities))
	for name := range driver.Parities {
		parities = append(parities, name)
	}
	slices.Sort(parities)
	d.Serial = driver.SerialMode{
		Baud:     int(t.whole("baud", minBaud, maxBaud, standardBaud)),
		DataBits: int(t.whole("data_bits", 5, 8, 8)),
		Parity:   t.choice("parity", standardParity, parities...),
		StopBits: int(t.whole("stop_bits", 1, 2, 1)),
	}
}

// socketPath reads the path of a unix socket, which starts at the folder of the file.
func (l *loader) socketPath(t *table, key string) string {
	text := t.text(key, "")
	if text == "" {
		return ""
	}
	path := filepath.Clean(l.resolve(text))
	if len(path) > maxSocketPath {
		t.wrong(key, "the path of the socket, %s, is longer than the %d bytes that the system takes: write a shorter one", path, maxSocketPath)
	}
	return path
}
