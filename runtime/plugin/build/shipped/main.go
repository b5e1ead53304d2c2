// Command shipped builds the plugins that go into the binary: make runs it before it builds zmesh.
//
// Usage: shipped OUT FOLDER…
//
// It writes OUT/NAME.wasm for each folder, and knows nothing of what the plugins are.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/zmesh/zmesh/runtime/plugin/build"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: shipped OUT FOLDER…")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, dir := range os.Args[2:] {
		file, err := build.To(ctx, dir, os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(file)
	}
}
