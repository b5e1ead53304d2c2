package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to a node's admin address.
type Client struct {
	http  http.Client
	base  string
	token string
	where string
}

// answerTime is how long a client waits. A plugin that is compiled on a small machine takes longest: the node gives it a minute.
const answerTime = 70 * time.Second

// NewClient takes an address as an operator writes it: unix:PATH, or [http(s)://]HOST:PORT.
func NewClient(address, token string, tc *tls.Config) *Client {
	c := &Client{base: "http://node", token: token, where: address, http: http.Client{Timeout: answerTime}}
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}
		return c
	}
	c.http.Transport = &http.Transport{TLSClientConfig: tc}
	switch {
	case strings.Contains(address, "://"):
		c.base = strings.TrimSuffix(address, "/")
	case tc != nil:
		c.base = "https://" + address
	default:
		c.base = "http://" + address
	}
	return c
}

// ErrUnreachable says that no node answers at the admin address.
var ErrUnreachable = errors.New("no node answers")

// Get reads a URL such as /v1/status into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to a URL and reads the answer into out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.do(ctx, http.MethodPost, path, in, out)
}

// Delete sends in to a URL.
func (c *Client) Delete(ctx context.Context, path string, in any) error {
	return c.do(ctx, http.MethodDelete, path, in, nil)
}

// SetFace sets a configured remote up or down.
func (c *Client) SetFace(ctx context.Context, name string, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	return c.Post(ctx, "/v1/faces/"+url.PathEscape(name)+"/"+state, struct{}{}, nil)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("admin address %s: %w", c.where, err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f Failure
		if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		return errors.New(f.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("answer of %s: %w", c.where, err)
	}
	return nil
}

// unanswered tells a node that is not there from one that does not answer in time.
func (c *Client) unanswered(err error) error {
	if cause := errors.Unwrap(err); cause != nil {
		err = cause // without the URL, in which the host is made up
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("the node at %s has not answered: %w", c.where, err)
	}
	return fmt.Errorf("%w at %s: is it running? (%w)", ErrUnreachable, c.where, err)
}

func encode(in any) (io.Reader, error) {
	if in == nil {
		return http.NoBody, nil
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return bytes.NewReader(b), nil
}
