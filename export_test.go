package roost

// OrderLength is how many entries the ordered listing holds, those that are gone
// among them.
func OrderLength(s *Server) int {
	g := s.site.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sorted) + len(g.fresh)
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
