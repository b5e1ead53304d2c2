// Package name owns Content Names: their two makings (hashed and hierarchical, P-14), the deployment's table of
// levels, URIs in both directions, the classes of byte 0, wildcards (P-5) and prefixes. It knows nothing of frames, tables or faces.
//
// All values are small and comparable, so tables use them as keys; [Key] puts the index of the network beside the name,
// because equal names of two networks are two contents (P-19). Nothing in the six bytes tells how a name was made, so
// whatever depends on it (class, wildcard, validity) is a method of [Network].
//
// A hierarchical network needs a table. Its file, names.toml, is read by runtime/config; it has one [[levels]] for
// each byte of the name, first byte first, and in it a line for each verb/noun pair of the URI:
//
//	[[levels]]                 # level 0: 0x01-0x9F user, 0xA0-0xAF never cached, 0xFD and 0xFE management
//	"location/hq" = 0x01
//	[[levels]]                 # levels 1 to 5: 0x01-0xFE
//	"floor/1" = 0x01
//	"floor/2" = 0x02
//
// so `location/hq/floor/2` is 010200000000. A pair may also be written "location=hq". A byte means the same under every
// parent: the meaning of byte k depends on k alone.
package name
