// Package node is the Z-Mesh library for devices and applications: it publishes, asks and subscribes over one link to a
// forwarder, with the payload ciphers that forwarders never see. It is no forwarder and has no store: Interests for names that it
// does not produce, hellos and Announcements it lets pass by.
//
// # Publishing
//
// A [Stream] is what producer and consumers of a Content Name share: its key, its IV and the method (P-10). A producer's
// numbers are part of the cipher's counter block, so no number may be used twice under one key: [Watermark] keeps that over
// restarts (P-1). A [Producer] puts the two together.
//
// # Asking
//
// [Node.Get] asks for one content and repeats the Interest with a fresh timestamp until the context ends or a Return says
// that it is in vain. [Node.Subscribe] gives a [Subscription]: every number in order, exactly once; what was missed on the
// way is fetched by number, and what is truly gone is reported as one range (P-12). [Node.SubscribeSince] begins at a time, [Node.Resume] where another
// subscription was; a [Cursor] remembers that on disk, and says what it means to have each content at least, or exactly, once.
//
// # Without a forwarder
//
// Two nodes may be the ends of one link: with [Dial] each has a fixed Port and the other's address. Contents go to the other's subscriptions, and a
// [Producer] answers with its last 16.
//
// # Sleeping
//
// A [Sleeper] is awake for moments: it reports, has what was held for it, fetches its commands, and may be switched off again (P-8).
//
// # Goroutines and locks
//
// A Node owns one goroutine, which reads its link, one for each subscription, which asks and renews, and one for all its
// producers. Node.Close ends
// them all and waits for them. No lock is held while a link is written to except the one that writers share, so a link that
// stands still stops the writers and nobody else. Time is the clock of package time, so that testing/synctest can stand in for it.
package node
