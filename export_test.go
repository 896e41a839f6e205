package roost

// OrderLength is how many entries the ordered listing holds, those that are gone
// among them.
func OrderLength(s *Server) int {
	g := s.site.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sorted) + len(g.fresh)
}

// Pending is how many octets are reserved for contents being received.
func Pending(s *Server) int64 { return s.pending.held.Load() }
