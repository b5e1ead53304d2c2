package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/zmesh/zmesh/core/name"
)

// ContentStore is what the API needs of a node's content store. All may wait for the disk.
type ContentStore interface {
	StoreSince(ctx context.Context, n name.Name, at time.Time) (Stored, error)
	StoreNames(ctx context.Context, prefix, after string, limit int) (StoreNames, error)
	StoreVerify(ctx context.Context, hour uint32) (StoreVerified, error)
	StoreBackup(ctx context.Context, b StoreBackup) (StoreBackup, error)
	StoreClear(ctx context.Context, c StoreClear) (StoreClear, error)
}

// Stored is one content in the store, without its bytes. GET /v1/store/since?name=HEX&time=RFC3339 gives the first of a name that arrived
// at that time or later; Seq is 0 where there is none.
type Stored struct {
	Name string `json:"name"`
	Seq  uint32 `json:"seq"`
}

// StoreNames is a page of what is stored: GET /v1/store/names?prefix=P&after=HEX&limit=N, in the order of names, at most 1,000. Next is
// where the next page begins, "" after the last one.
type StoreNames struct {
	Names []StoreName `json:"names"`
	Next  string      `json:"next,omitempty"`
}

// StoreName is what is stored of a name within its retention.
type StoreName struct {
	Name     string    `json:"name"`
	URI      string    `json:"uri,omitempty"`
	Newest   uint32    `json:"newest"` // number
	Contents int       `json:"contents"`
	Bytes    int64     `json:"bytes"` // of frames, without what the store adds
	First    time.Time `json:"first"` // arrival
	Last     time.Time `json:"last"`
}

// StoreVerified is what was found in one hour: GET /v1/store/verify?hour=N reads the first hour that is not before N.
type StoreVerified struct {
	Folder   string `json:"folder"`
	Contents int    `json:"contents"`
	Bytes    int64  `json:"bytes"`
	Error    string `json:"error,omitempty"` // the first thing that is wrong
	Next     uint32 `json:"next"`            // 0 after the last one
}

// StoreBackup asks for a copy of the store in a folder that is not there yet, on the node's machine: POST /v1/store/backup.
type StoreBackup struct {
	Folder string `json:"folder"`
	Hours  int    `json:"hours"` // of the answer
}

// StoreClear removes what is stored under a prefix: POST /v1/store/clear.
type StoreClear struct {
	Prefix string `json:"prefix"`
	Names  int    `json:"names"` // of the answer
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
	m.HandleFunc("GET /v1/store/names", asked(func(r *http.Request) (StoreNames, error) {
		q := r.URL.Query()
		limit, err := strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 || limit > MaxStoreNames {
			return StoreNames{}, fmt.Errorf("limit %.20q: want a number from 1 to %d", q.Get("limit"), MaxStoreNames)
		}
		return n.StoreNames(r.Context(), q.Get("prefix"), q.Get("after"), limit)
	}))
	m.HandleFunc("GET /v1/store/verify", asked(func(r *http.Request) (StoreVerified, error) {
		hour, err := strconv.ParseUint(r.URL.Query().Get("hour"), 10, 32)
		if err != nil {
			return StoreVerified{}, fmt.Errorf("hour %.20q: want a number", r.URL.Query().Get("hour"))
		}
		return n.StoreVerify(r.Context(), uint32(hour))
	}))
	m.HandleFunc("POST /v1/store/backup", answer(n.StoreBackup))
	m.HandleFunc("POST /v1/store/clear", answer(n.StoreClear))
}

// MaxStoreNames is the longest page of names.
const MaxStoreNames = 1000

// answer reads a body into a T, does it and answers with what came of it.
func answer[T any](do func(context.Context, T) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if !body(w, r, &in) {
			return
		}
		asked(func(r *http.Request) (T, error) { return do(r.Context(), in) })(w, r)
	}
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
