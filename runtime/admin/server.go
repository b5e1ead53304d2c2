package admin

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"time"
)

// Node is what the API needs of a node. Errors are sentences for the operator.
type Node interface {
	Status() Status
	Perf() Perf
	Faces() []Face
	SetFace(name string, up bool) error
	Routes() []Route
	AddRoute(Route) error
	RemoveRoute(Route) error
	Strategies() []Strategy
	SetStrategy(Strategy) error
	Store() Store
	ContentStore
	Sleepers() []Sleeper
	Reload() (Reloaded, error)
	Plugins() []Plugin
	LoadPlugin(PluginLoad) error
	SwapPlugin(PluginLoad) error
	RollbackPlugin(PluginName) error
	UnloadPlugin(PluginName) error
	PluginJournal() []PluginEntry
}

// Access is who may use the API over TCP. On a unix socket it is the socket's mode that says so.
type Access struct {
	Token string      // "": none is asked for
	TLS   *tls.Config // nil: plain
	Log   *log.Logger // what clients do wrong below HTTP; nil: the standard logger
}

// Server serves the API until Close.
type Server struct {
	http *http.Server
	ln   net.Listener
	done chan struct{}
}

// maxBody bounds a request: a plugin's module of 16 MiB, in base64, is the largest.
const maxBody = 24 << 20

// Serve opens the address ("unix" and a path, or "tcp" and host:port) and serves node. A socket that a node which is gone has left is
// replaced; one that is answered is an error.
func Serve(network, address string, access Access, node Node) (*Server, error) {
	ln, err := listen(network, address)
	if err != nil {
		return nil, err
	}
	if access.TLS != nil {
		ln = tls.NewListener(ln, access.TLS)
	}
	s := &Server{ln: ln, done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           authorise(access.Token, routes(node)),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: access.Log,
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(ln) // always ends with ErrServerClosed or the listener's error; Close is what ends it
	}()
	return s, nil
}

func listen(network, address string) (net.Listener, error) {
	if network != "unix" {
		ln, err := net.Listen(network, address)
		if err != nil {
			return nil, fmt.Errorf("admin address %s: %w", address, err)
		}
		return ln, nil
	}
	if conn, err := net.DialTimeout("unix", address, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("admin socket %s: another node answers there: stop it, or give this one another data_dir", address)
	}
	if err := removeStale(address); err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", address, err)
	}
	ln, err := listenPrivate(address)
	if err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", address, err)
	}
	return ln, nil
}

// removeStale removes the socket that a node which is gone has left, and nothing that is not a socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("something that is not a socket is there: move it away, or choose another path")
	}
	return os.Remove(path)
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Close ends requests that are under way after a second, and the server.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

// authorise asks for a token in constant time. Without one it lets everybody through.
func authorise(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			reply(w, http.StatusUnauthorized, Failure{"the admin address wants a token: give it in ZMESH_ADMIN_TOKEN"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func routes(n Node) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/status", show(n.Status))
	m.HandleFunc("GET /v1/perf", show(n.Perf))
	m.HandleFunc("GET /v1/faces", show(n.Faces))
	m.HandleFunc("POST /v1/faces/{name}/{state}", func(w http.ResponseWriter, r *http.Request) {
		state := r.PathValue("state")
		if state != "up" && state != "down" {
			reply(w, http.StatusNotFound, Failure{"a face is set up or down"})
			return
		}
		done(w, n.SetFace(r.PathValue("name"), state == "up"))
	})
	m.HandleFunc("GET /v1/routes", show(n.Routes))
	m.HandleFunc("POST /v1/routes", take(n.AddRoute))
	m.HandleFunc("DELETE /v1/routes", take(n.RemoveRoute))
	m.HandleFunc("GET /v1/strategies", show(n.Strategies))
	m.HandleFunc("POST /v1/strategies", take(n.SetStrategy))
	m.HandleFunc("GET /v1/store", show(n.Store))
	storeRoutes(m, n)
	m.HandleFunc("GET /v1/store/sleepers", show(n.Sleepers))
	m.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		out, err := n.Reload()
		if err != nil {
			done(w, err)
			return
		}
		reply(w, http.StatusOK, out)
	})
	m.HandleFunc("GET /v1/plugins", show(n.Plugins))
	m.HandleFunc("POST /v1/plugins", take(n.LoadPlugin))
	m.HandleFunc("POST /v1/plugins/swap", take(n.SwapPlugin))
	m.HandleFunc("POST /v1/plugins/rollback", take(n.RollbackPlugin))
	m.HandleFunc("DELETE /v1/plugins", take(n.UnloadPlugin))
	m.HandleFunc("GET /v1/plugins/journal", show(n.PluginJournal))
	m.HandleFunc("GET /debug/pprof/", pprof.Index)
	m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return named(m)
}

// named answers what there is no URL or no method for as everything else: in JSON.
func named(m *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := m.Handler(r); pattern == "" {
			reply(w, http.StatusNotFound, Failure{fmt.Sprintf("there is no %.100q with %.20s", r.URL.Path, r.Method)})
			return
		}
		m.ServeHTTP(w, r)
	})
}

// show answers with what get gives.
func show[T any](get func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, get()) }
}

// take reads a body into a T and does it.
func take[T any](do func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if body(w, r, &in) {
			done(w, do(in))
		}
	}
}

// body reads the request's one JSON value, or says what is wrong with it.
func body(w http.ResponseWriter, r *http.Request, in any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		reply(w, http.StatusBadRequest, Failure{"request: " + err.Error()})
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		reply(w, http.StatusBadRequest, Failure{"request: there is more than one JSON value"})
		return false
	}
	return true
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		reply(w, http.StatusConflict, Failure{err.Error()})
		return
	}
	reply(w, http.StatusOK, struct{}{})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody is left to tell
}
