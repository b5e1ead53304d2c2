package main

import "github.com/zmesh/zmesh/sdk/guest/abi"

// form is how the bytes of an object are read.
type form byte

const (
	unsigned form = iota
	signed
	flag
	button
	dimmer
	text // a byte with the length before it
	raw  // as text
	firmware
)

// object is an id of the format: how many bytes follow and what they are, raw × times / steps.
type object struct {
	id           byte
	name         string
	unit         string
	form         form
	size         int
	times, steps float64
	measure      uint8
	help         string
}

const (
	pound = 0.45359237 // kg, exactly
	hour  = 3600       // s
	turn  = 360        // degrees: SenML has a rate (1/s) and no degrees a second
)

// objects are those of the format, as bthome.io/format and the parser that the vectors come from have them. Units are SenML's: litres
// become m3, pounds kg, µS/cm S/m, m³/h m3/s.
var objects = []object{
	{0x00, "packet_id", "", unsigned, 1, 1, 1, abi.Counter, "the same as before: a repetition"},
	{0x01, "battery", "%EL", unsigned, 1, 1, 1, 0, ""},
	{0x02, "temperature", "Cel", signed, 2, 1, 100, 0, ""},
	{0x03, "humidity", "%RH", unsigned, 2, 1, 100, 0, ""},
	{0x04, "pressure", "hPa", unsigned, 3, 1, 100, 0, ""},
	{0x05, "illuminance", "lx", unsigned, 3, 1, 100, 0, ""},
	{0x06, "mass", "kg", unsigned, 2, 1, 100, 0, ""},
	{0x07, "mass", "kg", unsigned, 2, pound, 100, 0, ""},
	{0x08, "dew_point", "Cel", signed, 2, 1, 100, 0, ""},
	{0x09, "count", "", unsigned, 1, 1, 1, 0, ""},
	{0x0A, "energy", "kWh", unsigned, 3, 1, 1000, abi.Counter, ""},
	{0x0B, "power", "W", unsigned, 3, 1, 100, 0, ""},
	{0x0C, "voltage", "V", unsigned, 2, 1, 1000, 0, ""},
	{0x0D, "pm2_5", "ug/m3", unsigned, 2, 1, 1, 0, ""},
	{0x0E, "pm10", "ug/m3", unsigned, 2, 1, 1, 0, ""},
	{0x0F, "generic", "", flag, 1, 1, 1, 0, "on"},
	{0x10, "power_on", "", flag, 1, 1, 1, 0, ""},
	{0x11, "opening", "", flag, 1, 1, 1, 0, "open"},
	{0x12, "co2", "ppm", unsigned, 2, 1, 1, 0, ""},
	{0x13, "tvoc", "ug/m3", unsigned, 2, 1, 1, 0, "volatile organic compounds"},
	{0x14, "moisture", "/100", unsigned, 2, 1, 100, 0, ""},
	{0x15, "battery_low", "", flag, 1, 1, 1, 0, ""},
	{0x16, "battery_charging", "", flag, 1, 1, 1, 0, ""},
	{0x17, "carbon_monoxide", "", flag, 1, 1, 1, 0, "detected"},
	{0x18, "cold", "", flag, 1, 1, 1, 0, ""},
	{0x19, "connectivity", "", flag, 1, 1, 1, 0, "connected"},
	{0x1A, "door", "", flag, 1, 1, 1, 0, "open"},
	{0x1B, "garage_door", "", flag, 1, 1, 1, 0, "open"},
	{0x1C, "gas_detected", "", flag, 1, 1, 1, 0, ""},
	{0x1D, "heat", "", flag, 1, 1, 1, 0, "hot"},
	{0x1E, "light", "", flag, 1, 1, 1, 0, "detected"},
	{0x1F, "lock", "", flag, 1, 1, 1, 0, "unlocked"},
	{0x20, "moisture_detected", "", flag, 1, 1, 1, 0, "wet"},
	{0x21, "motion", "", flag, 1, 1, 1, 0, "detected"},
	{0x22, "moving", "", flag, 1, 1, 1, 0, ""},
	{0x23, "occupancy", "", flag, 1, 1, 1, 0, "detected"},
	{0x24, "plug", "", flag, 1, 1, 1, 0, "plugged in"},
	{0x25, "presence", "", flag, 1, 1, 1, 0, "home"},
	{0x26, "problem", "", flag, 1, 1, 1, 0, ""},
	{0x27, "running", "", flag, 1, 1, 1, 0, ""},
	{0x28, "safety", "", flag, 1, 1, 1, 0, "safe"},
	{0x29, "smoke", "", flag, 1, 1, 1, 0, "detected"},
	{0x2A, "sound", "", flag, 1, 1, 1, 0, "detected"},
	{0x2B, "tamper", "", flag, 1, 1, 1, 0, "on"},
	{0x2C, "vibration", "", flag, 1, 1, 1, 0, "detected"},
	{0x2D, "window", "", flag, 1, 1, 1, 0, "open"},
	{0x2E, "humidity", "%RH", unsigned, 1, 1, 1, 0, ""},
	{0x2F, "moisture", "/100", unsigned, 1, 1, 1, 0, ""},
	{0x3A, "button", "", button, 1, 1, 1, 0, "press, double_press, triple_press, long_press, long_double_press, long_triple_press, hold_press"},
	{0x3C, "dimmer", "", dimmer, 2, 1, 1, 0, "rotate_left, rotate_right"},
	{0x3D, "count", "", unsigned, 2, 1, 1, 0, ""},
	{0x3E, "count", "", unsigned, 4, 1, 1, 0, ""},
	{0x3F, "rotation", "deg", signed, 2, 1, 10, 0, ""},
	{0x40, "distance", "mm", unsigned, 2, 1, 1, 0, ""},
	{0x41, "distance", "m", unsigned, 2, 1, 10, 0, ""},
	{0x42, "duration", "s", unsigned, 3, 1, 1000, 0, ""},
	{0x43, "current", "A", unsigned, 2, 1, 1000, 0, ""},
	{0x44, "speed", "m/s", unsigned, 2, 1, 100, 0, ""},
	{0x45, "temperature", "Cel", signed, 2, 1, 10, 0, ""},
	{0x46, "uv_index", "", unsigned, 1, 1, 10, 0, ""},
	{0x47, "volume", "m3", unsigned, 2, 1, 10_000, 0, ""},
	{0x48, "volume", "m3", unsigned, 2, 1, 1_000_000, 0, ""},
	{0x49, "volume_flow", "m3/s", unsigned, 2, 1, 1000 * hour, 0, ""},
	{0x4A, "voltage", "V", unsigned, 2, 1, 10, 0, ""},
	{0x4B, "gas", "m3", unsigned, 3, 1, 1000, abi.Counter, ""},
	{0x4C, "gas", "m3", unsigned, 4, 1, 1000, abi.Counter, ""},
	{0x4D, "energy", "kWh", unsigned, 4, 1, 1000, abi.Counter, ""},
	{0x4E, "volume", "m3", unsigned, 4, 1, 1_000_000, 0, ""},
	{0x4F, "water", "m3", unsigned, 4, 1, 1_000_000, abi.Counter, ""},
	{0x50, "timestamp", "s", unsigned, 4, 1, 1, 0, "Unix time"},
	{0x51, "acceleration", "m/s2", unsigned, 2, 1, 1000, 0, ""},
	{0x52, "rotation_rate", "1/s", unsigned, 2, 1, 1000 * turn, 0, "turns"},
	{0x53, "text", "", text, 0, 1, 1, 0, ""},
	{0x54, "raw", "", raw, 0, 1, 1, 0, ""},
	{0x55, "volume_storage", "m3", unsigned, 4, 1, 1_000_000, 0, ""},
	{0x56, "conductivity", "S/m", unsigned, 2, 1, 10_000, 0, ""},
	{0x57, "temperature", "Cel", signed, 1, 1, 1, 0, ""},
	{0x58, "temperature", "Cel", signed, 1, 35, 100, 0, ""},
	{0x59, "count", "", signed, 1, 1, 1, 0, ""},
	{0x5A, "count", "", signed, 2, 1, 1, 0, ""},
	{0x5B, "count", "", signed, 4, 1, 1, 0, ""},
	{0x5C, "power", "W", signed, 4, 1, 100, 0, ""},
	{0x5D, "current", "A", signed, 2, 1, 1000, 0, ""},
	{0x5E, "direction", "deg", unsigned, 2, 1, 100, 0, ""},
	{0x5F, "precipitation", "mm", unsigned, 2, 1, 10, 0, ""},
	{0x60, "channel", "", unsigned, 1, 1, 1, abi.State, ""},
	{0x61, "rotational_speed", "1/min", unsigned, 2, 1, 1, 0, ""},
	{0x62, "speed", "m/s", signed, 4, 1, 1_000_000, 0, ""},
	{0x63, "acceleration", "m/s2", signed, 4, 1, 1_000_000, 0, ""},
	{0x64, "light_level", "", unsigned, 1, 1, 1, 0, ""},
	{0xF0, "device_type", "", unsigned, 2, 1, 1, abi.State, "the vendor's number"},
	{0xF1, "firmware_version", "", firmware, 4, 1, 1, 0, ""},
	{0xF2, "firmware_version", "", firmware, 3, 1, 1, 0, ""},
}

func objectOf(id byte) *object {
	for i := range objects {
		if objects[i].id == id {
			return &objects[i]
		}
	}
	return nil
}
