package roost

// FastConns is how many connections the fast plane has.
func FastConns(s *Server) int { return s.listening.fast.open() }
