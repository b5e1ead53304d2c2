// Package guest is what a Z-Mesh plugin in Go is written against. A plugin is a command whose init function registers a
// [Strategy] or a [Decoder]:
//
//	func init() { guest.ServeStrategy(mine{}) }
//	func main() {}
//
// It is built with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared, and gets its manifest from the plugin.toml beside it:
// `zmesh plugin build`, see sdk/README.md. The same code compiles natively, so that its tests run in a moment.
//
// The package owns the arena, the exports and the records; an author sees events, commands, payloads and values. It
// allocates nothing while a strategy decides. Only the standard library is used, and of it neither fmt nor time, which
// would make the module a fifth larger and slower to start.
//
// It knows nothing of the host beyond sdk/guest/abi.
package guest
