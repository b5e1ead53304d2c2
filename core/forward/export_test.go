package forward

// Now is the time of the worker's latest burst.
func (w *Worker) Now() Now {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Timers is the number of timers of a worker; an idle one has the housekeeping alone.
func (w *Worker) Timers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wheel.Len()
}

// Pacers is the number of wildcard Interests whose answers are being paced (P-5).
func (w *Worker) Pacers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pacers.Len()
}

// Scratches is the number of pending Interests that have a strategy's block.
func (w *Worker) Scratches() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pit.Scratches()
}
