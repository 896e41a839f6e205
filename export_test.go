package roost

// OrderLength is how many entries the ordered listing holds, those that are gone
// among them.
func OrderLength(s *Server) int {
	g := s.site.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.byURI.sorted) + len(g.byURI.fresh)
}

// OpenConns is how many connections are held.
func OpenConns(s *Server) int {
	c := s.listening.conns
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// Pending is how many octets are reserved for contents being received.
func Pending(s *Server) int64 { return s.pending.held.Load() }

// Watchers is how many requests wait for changes.
func Watchers(s *Server) int {
	h := &s.site.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.guests
}

// Expiring is how many items have an end.
func Expiring(s *Server) int {
	x := &s.site.expiries
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queue)
}

// QueuedCallbacks is how many callbacks are due.
func QueuedCallbacks(s *Server) int {
	s.courier.mu.Lock()
	defer s.courier.mu.Unlock()
	return s.courier.due
}
