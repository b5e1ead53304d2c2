package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/runtime/admin"
)

// fake is a node that has nothing and remembers which face was set.
type fake struct {
	face string
	hang chan struct{} // if there is one, Status waits for it
}

func (f *fake) Status() admin.Status {
	if f.hang != nil {
		<-f.hang
	}
	return admin.Status{Name: "fake"}
}
func (f *fake) Faces() []admin.Face                { return []admin.Face{} }
func (f *fake) SetFace(name string, up bool) error { f.face = fmt.Sprint(name, up); return nil }
func (f *fake) Routes() []admin.Route              { return []admin.Route{} }
func (f *fake) AddRoute(admin.Route) error         { return errors.New("no route today") }
func (f *fake) RemoveRoute(admin.Route) error      { return nil }
func (f *fake) Strategies() []admin.Strategy       { return []admin.Strategy{} }
func (f *fake) SetStrategy(admin.Strategy) error   { return nil }
func (f *fake) Perf() admin.Perf                   { return admin.Perf{} }
func (f *fake) Store() admin.Store                 { return admin.Store{} }
func (f *fake) StoreSince(_ context.Context, n name.Name, _ time.Time) (admin.Stored, error) {
	return admin.Stored{Name: n.String(), Seq: 7}, nil
}

func (f *fake) StoreNames(context.Context, string, string, int) (admin.StoreNames, error) {
	return admin.StoreNames{}, nil
}

func (f *fake) StoreVerify(context.Context, uint32) (admin.StoreVerified, error) {
	return admin.StoreVerified{}, nil
}

func (f *fake) StoreBackup(_ context.Context, b admin.StoreBackup) (admin.StoreBackup, error) {
	return b, errors.New("no room today")
}

func (f *fake) StoreClear(_ context.Context, c admin.StoreClear) (admin.StoreClear, error) {
	return c, nil
}

func (f *fake) Sleepers() []admin.Sleeper         { return []admin.Sleeper{} }
func (f *fake) Reload() (admin.Reloaded, error)   { return admin.Reloaded{}, nil }
func (f *fake) Plugins() []admin.Plugin           { return []admin.Plugin{} }
func (f *fake) LoadPlugin(admin.PluginLoad) error { return nil }
func (f *fake) SwapPlugin(admin.PluginLoad) error { return nil }

func (f *fake) RollbackPlugin(admin.PluginName) error { return nil }
func (f *fake) UnloadPlugin(admin.PluginName) error   { return nil }
func (f *fake) PluginJournal() []admin.PluginEntry    { return nil }

func access() admin.Access { return admin.Access{Log: log.New(io.Discard, "", 0)} }

// serve runs the API on a socket until the test ends.
func serve(t *testing.T, node admin.Node) (path string, s *admin.Server) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	s, err := admin.Serve("unix", path, access(), node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return path, s
}

// raw sends one request as it stands and gives the answer's status and body.
func raw(t *testing.T, path, method, url string, body io.Reader) (int, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://node"+url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Whatever a client sends, it gets a sentence in JSON.
func TestRequestsThatCannotBe(t *testing.T) {
	path, _ := serve(t, &fake{})
	huge := io.MultiReader(strings.NewReader(`{"name":"`), bytes.NewReader(bytes.Repeat([]byte("x"), 25<<20)), strings.NewReader(`"}`))
	for _, c := range []struct {
		method, url string
		body        io.Reader
		code        int
		says        string
	}{
		{"GET", "/v1/nothing", nil, 404, "there is no"},
		{"PUT", "/v1/status", nil, 404, "PUT"},
		{"GET", "/debug/vars", nil, 404, "there is no"},
		{"GET", "/", nil, 404, "there is no"},
		{"POST", "/v1/routes", strings.NewReader(`{"prefix":`), 400, "request"},
		{"POST", "/v1/routes", strings.NewReader(`{"prefix":1}`), 400, "request"},
		{"POST", "/v1/routes", strings.NewReader(`{"colour":"red"}`), 400, "colour"},
		{"POST", "/v1/routes", strings.NewReader(`{}{}`), 400, "more than one"},
		{"POST", "/v1/routes", strings.NewReader(``), 400, "request"},
		{"POST", "/v1/routes", strings.NewReader(`{}`), 409, "no route today"},
		{"POST", "/v1/plugins", huge, 400, "too large"},
		{"POST", "/v1/faces/up/sideways", nil, 404, "up or down"},
		{"GET", "/v1/store/names?limit=0", nil, 409, "1 to 1000"},
		{"GET", "/v1/store/verify?hour=-1", nil, 409, "a number"},
		{"POST", "/v1/store/backup", strings.NewReader(`{"folder":"x"}`), 409, "no room today"},
		{"POST", "/v1/store/clear", strings.NewReader(`{}{}`), 400, "more than one"},
		{"GET", "/v1/store/since?name=01&time=2026-01-31T08:00:00Z", nil, 409, "12 hex digits"},
		{"GET", "/v1/store/since?name=010203010000&time=yesterday", nil, 409, "2026-01-31"},
	} {
		code, body := raw(t, path, c.method, c.url, c.body)
		if code != c.code || !strings.Contains(body, c.says) || !strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%s %s: %d %.200q, want %d with %q", c.method, c.url, code, body, c.code, c.says)
		}
	}
}

func TestFaceNamesAreNotPaths(t *testing.T) {
	node := &fake{}
	path, _ := serve(t, node)
	for _, name := range []string{"up", "../reload", "a b", "100%", "x?y", "a/b"} {
		if err := admin.NewClient("unix:"+path, "", nil).SetFace(t.Context(), name, true); err != nil || node.face != name+"true" {
			t.Errorf("%q: set %q, %v", name, node.face, err)
		}
	}
}

func TestSocketIsPrivate(t *testing.T) {
	path, _ := serve(t, &fake{})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// A socket that nobody answers is replaced; one that is answered, or a file that is none, stays.
func TestWhatIsInTheSocketsPlace(t *testing.T) {
	path, first := serve(t, &fake{})
	if _, err := admin.Serve("unix", path, access(), &fake{}); err == nil || !strings.Contains(err.Error(), "another node") {
		t.Errorf("a second node: %v", err)
	}
	_ = first.Close()

	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	second, err := admin.Serve("unix", path, access(), &fake{})
	if err != nil {
		t.Fatalf("a socket that was left: %v", err)
	}
	_ = second.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Serve("unix", path, access(), &fake{}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file holds %q now", b)
	}
}

func TestToken(t *testing.T) {
	a := access()
	a.Token = "open sesame"
	s, err := admin.Serve("tcp", "127.0.0.1:0", a, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for token, good := range map[string]bool{"": false, "open": false, "open sesame": true} {
		var out admin.Status
		err := admin.NewClient(s.Addr().String(), token, nil).Get(t.Context(), "/v1/status", &out)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "ZMESH_ADMIN_TOKEN") {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// Neither a client that does not read nor a request that does not end keeps the node from stopping.
func TestCloseIsSoon(t *testing.T) {
	node := &fake{hang: make(chan struct{})}
	path, s := serve(t, node)
	defer close(node.hang)
	slow, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "GET /v1/status HTTP/1.1\r\nHost: node\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = s.Close()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := admin.NewClient("unix:"+path, "", nil).Get(ctx, "/v1/status", nil); !errors.Is(err, admin.ErrUnreachable) {
		t.Errorf("after Close: %v", err)
	}
}

func TestSinceReachesTheNode(t *testing.T) {
	path, _ := serve(t, &fake{})
	seq, err := admin.NewClient("unix:"+path, "", nil).Since(t.Context(), name.Name{1, 2}, time.Now())
	if err != nil || seq != 7 {
		t.Errorf("%d, %v", seq, err)
	}
}
