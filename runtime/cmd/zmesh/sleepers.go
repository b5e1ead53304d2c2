package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmesh/zmesh/runtime/admin"
)

// sleepersCommand shows the devices that sleep (P-8).
func (e *env) sleepersCommand() *cobra.Command {
	return &cobra.Command{Use: "sleepers", Short: "The sleeping devices that a running node serves", RunE: func(c *cobra.Command, _ []string) error {
		return read(e, c.Context(), "/v1/store/sleepers", func(list []admin.Sleeper) {
			e.table("NAME FACE SEEN HELD NEXT-COMMAND", func(add func(...any)) {
				for _, s := range list {
					next := "-"
					if s.Commands != "" {
						next = fmt.Sprintf("%s #%d", s.Commands, s.Next)
					}
					add(or(s.URI, s.Name), s.Face, s.Ago.Round(time.Second).String()+" ago", s.Held, next)
				}
			})
		})
	}}
}
