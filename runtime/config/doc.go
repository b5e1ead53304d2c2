// Package config owns the configuration of a node: it reads the TOML file and the files that it names, checks all of it, and gives
// it as Go values in which everything is resolved (durations, sizes, rates, keys, names, paths).
//
// [Load] is strict. An unknown key, a wrong type, a value that cannot be meant, two entries that contradict each other, a
// missing file or a wrong permission each is a [Mistake] with its file and line and what would be right; all of them come at once
// as [Mistakes]. [Diff] says in words what changed between two configurations and what of it needs a restart.
//
// Key material is held as [Secret], which no format verb, log or JSON encoder can print; sentences about keys never hold one.
//
// The names of the settings are fixed by the project's surface page; the numbers and their defaults are those of the
// protocol page, part 2. The package opens no socket, starts nothing and writes nothing: a host does that with what
// [Config.Keyring], [Config.Naming], [Config.StoreConfig] and their like give it.
package config
