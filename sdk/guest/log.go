package guest

// Logger writes lines to the host's log. It is a type, not a function, so that a module which has none imports nothing that it
// would need the capability "log" for.
type Logger struct{}

// Debug, Info, Warn and Error write one line. The host has a quota: what is beyond it is dropped and counted.
func (Logger) Debug(text string) { hostLog(0, text) }

// Info writes a line of what is normal.
func (Logger) Info(text string) { hostLog(1, text) }

// Warn writes a line of what is odd.
func (Logger) Warn(text string) { hostLog(2, text) }

// Error writes a line of what failed.
func (Logger) Error(text string) { hostLog(3, text) }
