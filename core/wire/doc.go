// Package wire owns the bytes of a Z-Mesh frame: parsing and building in place, the MAC, and the payloads of Interest,
// Interest Return and Content Announcement.
//
//	offset  size  field                                   covered by the MAC?
//	0       1     FHDR   vv n p r ttt                      no
//	1       0/4   Net ID (only if n = 1)                   no
//	+0      6     Content Name                             yes
//	+6      1     FCTRL  kk rrrr tt                        yes
//	+7      3     FSEQ                                     yes
//	+10     0..N  payload                                  yes
//	end-4   4     MAC                                      -
//
// Everything is big-endian. There is no length field: a frame is as long as what the link delivered. A [Frame] is a
// view into the bytes that were received; nothing here copies or allocates after start-up. Frames are authenticated
// (see [Keyring]) but never decrypted: content keys belong to producers and consumers, not to forwarders.
//
// The package does not know what a frame means to a forwarder: tables, policy and time are elsewhere.
package wire
