package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// ContentStore is what the API needs of a node's content store. All may wait for the disk.
type ContentStore interface {
	StoreSince(ctx context.Context, n name.Name, at time.Time) (Stored, error)
}

// Stored is one content in the store, without its bytes. GET /v1/store/since?name=HEX&time=RFC3339 gives the first of a name that arrived
// at that time or later; Seq is 0 where there is none.
type Stored struct {
	Name string `json:"name"`
	Seq  uint32 `json:"seq"`
}

// Since asks for the number of the first content of a name that was stored at a time or later; 0: there is none.
func (c *Client) Since(ctx context.Context, n name.Name, at time.Time) (seq uint32, err error) {
	var s Stored
	err = c.Get(ctx, fmt.Sprintf("/v1/store/since?name=%s&time=%s", n, at.UTC().Format(time.RFC3339Nano)), &s)
	return s.Seq, err
}

func storeRoutes(m *http.ServeMux, n ContentStore) {
	m.HandleFunc("GET /v1/store/since", asked(func(r *http.Request) (Stored, error) {
		of, err := queryName(r, "name")
		if err != nil {
			return Stored{}, err
		}
		at, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("time"))
		if err != nil {
			return Stored{}, fmt.Errorf("time %.40q: want one such as 2026-01-31T08:00:00Z", r.URL.Query().Get("time"))
		}
		return n.StoreSince(r.Context(), of, at)
	}))
}

// asked answers with what get gives for the URL's query.
func asked[T any](get func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := get(r)
		if err != nil {
			done(w, err)
			return
		}
		reply(w, http.StatusOK, out)
	}
}

func queryName(r *http.Request, key string) (name.Name, error) {
	text := r.URL.Query().Get(key)
	n, err := name.ParseHex(text)
	if err != nil {
		return n, fmt.Errorf("%s %.40q: want 12 hex digits", key, text)
	}
	return n, nil
}
