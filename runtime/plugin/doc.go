// Package plugin owns the plugin kinds on the engine: what a strategy and a decoder are to the rest of the host, their
// life cycle and their swap.
//
// A [Manager] holds the plugins of a node by name. Each goes through the same steps: provision (the module is found,
// read, bounded and compiled with its grants and its configuration), validate (its own vectors run), run (an instance for
// each worker, or a small pool), clean up (its instances are closed once nobody is in them). A new version is brought up
// beside the old one, and the old one stays when anything about the new one fails.
//
// A strategy's instance belongs to one worker and is called under that worker's mutex; [StrategyHolder] is what the worker
// holds, and what a swap changes. A decoder is called by whoever holds a content key, never on the forwarding path.
//
// The package knows nothing of wasm beyond the engine's calls, and nothing of configuration files, sockets or the command
// line. What differs from kind to kind is behind [trade] and [crew]; what an instance of a strategy works at is a [place].
package plugin
