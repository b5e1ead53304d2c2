package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/demo"
)

func (e *env) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "The whole system in one go, on loopback and in a temporary folder",
		RunE: func(c *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			if err := demo.Run(c.Context(), demo.Options{Exe: exe, Out: e.out, Color: isTerminal(e.out)}); err != nil {
				return fmt.Errorf("demo: %v", oneLine(err)) // failed, also when it was a time that was over
			}
			return nil
		},
	}
}
