package main

import (
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roost"
	"roost/observe"
)

// settings are what the flags of serve and their variables say.
type settings struct {
	listen          []string
	tlsCert, tlsKey string
	maxURI          int
	maxBody         int64
	maxPending      int64
	prefix          string
	cors, hosts     []string
	resources       []declaration
	methods         roost.Method
	mediaType       string // "" where none was given
	data            string // "" where values are in memory alone
	lazySync        bool
	resetValues     bool
	ttl             time.Duration
	maxBytes        int64
	clientTTL       bool
	index           bool
	maxWatchers     int
	maxRemembered   int
	plane           string
	logFormat       string
	logRequests     bool
	control         string // "" where there is no control API
	tokenFile       string

	fromVariable map[string]bool // by flag
}

func (s *settings) define(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Var(newMultiple(&s.listen, "ADDR", "127.0.0.1:8080", parseAddr), "listen", `where to listen: "host:port", where port 0 picks one, or "unix:///path"; repeatable`)
	f.Var(newSingle(&s.tlsCert, "FILE", "", parseFile), "tls-cert", "PEM file with the certificate chain; with --tls-key, every listener speaks TLS")
	f.Var(newSingle(&s.tlsKey, "FILE", "", parseFile), "tls-key", "PEM file with the private key")
	f.Var(newMultiple(&s.resources, "URI=VALUE", "", parseDeclaration), "resource", "a resource with its value; URI=@FILE takes the value from a file, URI=@@… is a value that begins with @; repeatable")
	f.Var(newSingle(&s.methods, "METHODS", "GET", parseMethods), "methods", "what those resources answer, of GET,PUT,POST,DELETE")
	f.Var(newSingle(&s.mediaType, "MEDIA", "", parseMediaType), "type", "their media type, or TEXT, XML, PLAIN, JSON, OCTET, APP_XML (default text/html, or by the ending of the file)")
	f.Var(newSingle(&s.data, "DIR", "", parseFolder), "data", "keep the resources in this folder, which is made if it is not there: what is acknowledged survives. A value that is kept there goes before that of --resource; methods and types are those of the command line (default in memory alone)")
	f.Var(newSingle(&s.lazySync, "bool", "", parseBool), "lazy-sync", "with --data: acknowledge changes before they are synced; those of the last second are lost when the current fails")
	f.Lookup("lazy-sync").NoOptDefVal = "true"
	f.Var(newSingle(&s.resetValues, "bool", "", parseBool), "reset-values", "with --data: the values of --resource take the place of those that are kept")
	f.Lookup("reset-values").NoOptDefVal = "true"
	f.Var(newSingle(&s.ttl, "TIME", "", parseTime), "ttl", "how long their values live from their writing, such as 90s or 24h (default for ever)")
	f.Var(newSingle(&s.clientTTL, "bool", "", parseBool), "client-ttl", "let clients give the time to live of what they PUT and POST there, in the field Roost-TTL")
	f.Lookup("client-ttl").NoOptDefVal = "true"
	f.Var(newSingle(&s.index, "bool", "true", parseBool), "index", "answer GET of a path that ends in / and is no resource with what is below it, as a page, JSON or an event stream")
	f.Lookup("index").NoOptDefVal = "true"
	f.Var(newSingle(&s.maxURI, "N", "", parseCount), "max-uri", "how many resources there can be; 0 is the default, -1 is no limit (default 100)")
	f.Var(newSingle(&s.maxBytes, "SIZE", "", parseSize), "max-bytes", "how long all values are together; 0 and less is no limit (default no limit)")
	f.Var(newSingle(&s.maxBody, "SIZE", "", parseSize), "max-body", "the longest content of a request: 65536, 64KiB, 1MiB; 0 is the default, -1 is no limit (default 1MiB)")
	f.Var(newSingle(&s.maxPending, "SIZE", "", parseSize), "max-pending", "all contents being received together; 0 is the default, less is no limit (default 64MiB, or four times --max-body)")
	f.Var(newSingle(&s.maxWatchers, "N", "", parseCount), "max-watchers", "how many requests wait for changes; 0 is the default, -1 is no limit (default 16384)")
	f.Var(newSingle(&s.maxRemembered, "N", "", parseCount), "max-remembered", "how many answers are remembered for their Idempotency-Key; 0 is the default, -1 is no limit (default 16384)")
	f.Var(newSingle(&s.prefix, "PATH", "", parsePrefix), "prefix", "the path below which a router in front of the server has it, such as /api")
	f.Var(newMultiple(&s.cors, "ORIGIN", "", parseOrigin), "cors", `an origin whose pages may read and write, or "*"; repeatable (default none)`)
	f.Var(newMultiple(&s.hosts, "NAME", "", parseHost), "host", "a name that the server answers to, and to no other; repeatable (default all)")
	f.Var(newSingle(&s.plane, "auto|fast|reference", "auto", parsePlane), "plane", "what serves the connections: fast is event loops, in the clear and on Linux alone; reference is Go's net/http; auto is fast where it can be")
	f.Var(newSingle(&s.logFormat, "text|json", "text", parseLogFormat), "log-format", "how log lines look")
	f.Var(newSingle(&s.logRequests, "bool", "", parseBool), "log-requests", "log each request; credentials are left out")
	f.Lookup("log-requests").NoOptDefVal = "true"
	f.Var(newSingle(&s.control, "ADDR", "", parseControl), "control", `where the control API listens: "unix:///path", or "host:port" of this machine alone, where every call needs a token (default none)`)
	f.Var(newSingle(&s.tokenFile, "FILE", "", parseFile), "control-token-file", "holds that token; made if it is not there (default control-token in the user's folder of settings for roost)")
}

// complete tells shells what values there are to choose from.
func (s *settings) complete(cmd *cobra.Command) {
	for flag, values := range map[string][]string{
		"log-format": {"text", "json"},
		"plane":      {"auto", "fast", "reference"},
		"methods":    {"GET", "PUT", "POST", "DELETE", "GET,PUT", "GET,PUT,POST,DELETE"},
		"type":       {"TEXT", "XML", "PLAIN", "JSON", "OCTET", "APP_XML"},
	} {
		cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// read takes what the command line left open from the environment, and checks
// what no value shows by itself.
func (s *settings) read(f *pflag.FlagSet) (err error) {
	if s.fromVariable, err = readEnvironment(f, os.LookupEnv); err != nil {
		return err
	}
	if err := s.checkSizes(); err != nil {
		return err
	}
	if s.tokenFile != "" && !s.controlNeedsToken() {
		return usagef("%s %q: a token goes with a TCP address in --control", s.source("control-token-file"), s.tokenFile)
	}
	if s.data == "" {
		for flag, given := range map[string]bool{"lazy-sync": s.lazySync, "reset-values": s.resetValues} {
			if given {
				return usagef("%s goes with --data: give the folder where the resources are kept", s.source(flag))
			}
		}
	}
	return s.checkTLS()
}

// checkSizes applies the rule of roost.Config that there is room for a whole content.
func (s *settings) checkSizes() error {
	err := roost.Config{MaxBodyBytes: s.maxBody, MaxPendingBytes: s.maxPending}.Validate()
	if err != nil {
		return usagef("%s %d leaves no room for one content as long as %s allows: give more", s.source("max-pending"), s.maxPending, s.source("max-body"))
	}
	return nil
}

// source is what set a flag, as messages name it.
func (s *settings) source(flag string) string {
	if s.fromVariable[flag] {
		return variable(flag)
	}
	return "--" + flag
}

func (s *settings) tls() bool { return s.tlsKey != "" }

const httpsPort = 443

// checkTLS applies the rules of roost.Config to each listener: both files or
// none, and nothing in the clear on the port of HTTPS.
func (s *settings) checkTLS() error {
	switch {
	case s.tlsKey != "" && s.tlsCert == "":
		return usagef("%s %q without --tls-cert: give both, or neither", s.source("tls-key"), s.tlsKey)
	case s.tlsCert != "" && s.tlsKey == "":
		return usagef("%s %q without --tls-key: give both, or neither", s.source("tls-cert"), s.tlsCert)
	}
	if s.tls() && roost.Plane(s.plane) == roost.PlaneFast {
		return usagef("%s fast speaks no TLS: give auto or reference, or leave %s and %s away", s.source("plane"), s.source("tls-cert"), s.source("tls-key"))
	}
	for _, addr := range s.listen {
		if !s.tls() && port(addr) == httpsPort {
			return usagef("%s %q: port 443 is for HTTPS: give --tls-cert and --tls-key, or another port", s.source("listen"), addr)
		}
	}
	return nil
}

// port is the TCP port of an address, and 0 for the address of a socket.
func port(addr string) int {
	_, name, err := net.SplitHostPort(addr)
	if err != nil {
		return 0
	}
	n, _ := net.LookupPort("tcp", name)
	return n
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

func (s *settings) config(log *slog.Logger) roost.Config {
	cfg := roost.Config{
		KeyFile: s.tlsKey, CertFile: s.tlsCert,
		Hosts: s.hosts, CORS: s.cors,
		MaxURI: s.maxURI, MaxBytes: s.maxBytes, MaxBodyBytes: s.maxBody, MaxPendingBytes: s.maxPending,
		MaxWatchers: s.maxWatchers, MaxRemembered: s.maxRemembered, Index: s.index,
		Prefix: s.prefix, Plane: roost.Plane(s.plane),
		Logger: log,
	}
	if s.logRequests {
		cfg.Observer = observe.Requests(log)
	}
	return cfg
}
