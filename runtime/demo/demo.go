package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zmesh/zmesh/core/wire"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/plugin"
	"github.com/zmesh/zmesh/sdk/node"
)

// Options of a run.
type Options struct {
	Exe   string    // the zmesh binary
	Out   io.Writer // where steps are told
	Color bool
}

// Times of the demo. It ends with an error rather than take longer than it says.
const (
	wholeTime = 75 * time.Second
	waitTime  = 20 * time.Second
	pause     = 60 * time.Millisecond // between two rounds of readings
	perAct    = 10                    // readings of each sensor between two steps
)

// stage is the demo under way.
type stage struct {
	Options
	root       string
	a, b, c    *forwarder // sensors; the middle of the cheaper way, and the mirror; the consumer
	sensors    []*sensor
	quiet      *sensor   // nobody subscribes to it
	followed   []*sensor // the others
	decoders   *plugin.Manager
	marks      *node.Watermark
	reader     *reader
	consumer   *node.Node
	seq        uint32
	steps      int
	shown      int
	start      time.Time
	unfollowed []func()
}

// Run plays the demo. It gives an error as soon as something that it claims does not hold.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	root, err := os.MkdirTemp("", "zmesh-demo-")
	if err != nil {
		return err
	}
	d := &stage{Options: o, root: root, start: time.Now()}
	defer func() {
		interrupted := errors.Is(ctx.Err(), context.Canceled)
		d.strike()
		switch {
		case interrupted:
			err = errors.Join(errors.New("interrupted"), os.RemoveAll(root))
		case err == nil:
			err = os.RemoveAll(root)
		default:
			err = fmt.Errorf("%w (logs and data are left in %s)", err, root)
		}
	}()
	for _, act := range []struct {
		says string
		do   func(context.Context) (string, error)
	}{
		{"three forwarders in a triangle, each a process of its own", d.build},
		{"routes: the sensors are announced, the cheaper way leads over two links", d.route},
		{"a consumer at another forwarder subscribes to eleven of twelve sensors", d.subscribe},
		{"the sensors publish, encrypted by stream; the consumer decrypts and decodes", d.publish},
		{"the forwarding strategy is swapped in mid-stream: best-route for multicast, and back", d.swap},
		{"the forwarder on the way is killed (SIGKILL): the stream goes on by the other", d.killMiddle},
		{"it starts again and answers for old content from its disk", d.restartMiddle},
		{"a late consumer replays a stream from number 1", d.replay},
		{"a wrong content key opens nothing, a wrong network key gets nothing", d.wrongKeys},
		{"the sensors' forwarder is killed: what only it and the mirror have comes from the mirror", d.killProducers},
	} {
		d.say(act.says)
		detail, err := act.do(ctx)
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", d.steps, act.says, err)
		}
		d.done(detail)
	}
	total := int(d.seq)*len(d.followed) + 2*int(d.seq)
	fmt.Fprintf(d.Out, "\n%d contents arrived, each exactly once, in order, with the right value, in %s.\n", total, time.Since(d.start).Round(100*time.Millisecond))
	return nil
}

func (d *stage) paint(code, text string) string {
	if !d.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (d *stage) say(text string) {
	d.steps++
	fmt.Fprintf(d.Out, "%s %s\n", d.paint("1;36", fmt.Sprintf("%2d", d.steps)), d.paint("1", text))
}

func (d *stage) done(detail string) {
	fmt.Fprintf(d.Out, "   %s %s\n", d.paint("32", "ok"), detail)
}

// build starts the forwarders.
func (d *stage) build(ctx context.Context) (string, error) {
	naming, err := writeNames(d.root)
	if err != nil {
		return "", err
	}
	if d.sensors, err = newSensors(naming); err != nil {
		return "", err
	}
	d.followed, d.quiet = d.sensors[:sensorCount-1], d.sensors[sensorCount-1]
	for i, f := range []**forwarder{&d.a, &d.b, &d.c} {
		if *f, err = newForwarder(d.Exe, d.root, []string{"sensors", "middle", "reader"}[i], i+1); err != nil {
			return "", err
		}
	}
	err = errors.Join(
		d.a.configure(0, false, neighbour{d.b, 5}, neighbour{d.c, 30}),
		d.configureMiddle(),
		d.c.configure(-1, false, neighbour{d.b, 5}, neighbour{d.a, 30}),
	)
	if err != nil {
		return "", err
	}
	for _, f := range []*forwarder{d.a, d.b, d.c} {
		if err := f.start(ctx); err != nil {
			return "", err
		}
	}
	d.decoders, err = loadDecoders(ctx)
	return fmt.Sprintf("sensors %s, middle %s, reader %s", d.a.address(), d.b.address(), d.c.address()), err
}

func (d *stage) configureMiddle() error {
	return d.b.configure(100, true, neighbour{d.a, 5}, neighbour{d.c, 5})
}

func loadDecoders(ctx context.Context) (*plugin.Manager, error) {
	m, err := plugin.NewManager(plugin.Options{Workers: 1, Pool: 1})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"milesight", "cayenne-lpp"} {
		if err := m.Load(ctx, plugin.Spec{Name: name, Source: plugin.Source{Builtin: name}}); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (d *stage) route(ctx context.Context) (string, error) {
	if err := errors.Join(d.b.hopsTo(ctx, "sensors"), d.c.hopsTo(ctx, "middle")); err != nil {
		return "", err
	}
	return "reader → middle → sensors", nil
}

func (d *stage) subscribe(ctx context.Context) (_ string, err error) {
	if d.consumer, err = dial(ctx, d.c, false); err != nil {
		return "", err
	}
	if d.marks, err = node.OpenWatermark(filepath.Join(d.root, "watermarks")); err != nil {
		return "", err
	}
	d.reader = newReader(d.decoders, d.sample)
	for _, s := range d.followed {
		if err := d.follow(ctx, d.reader, d.consumer, s); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d subscriptions", len(d.followed)), connect(ctx, d.sensors, d.a, d.marks)
}

func (d *stage) follow(ctx context.Context, r *reader, n *node.Node, s *sensor) error {
	sub, err := n.Subscribe(s.stream.Name, wire.SeqFirst, false)
	if err != nil {
		return err
	}
	d.unfollowed = append(d.unfollowed, sub.Close)
	go r.follow(ctx, s, sub)
	return nil
}

// sample shows the first contents.
func (d *stage) sample(text string) {
	if d.shown++; d.shown <= 6 {
		fmt.Fprintln(d.Out, "     "+d.paint("2", text))
	}
}

// readings lets every sensor publish, round by round.
func (d *stage) readings(ctx context.Context, rounds int) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range rounds {
		d.seq++
		for _, s := range d.sensors {
			if err := s.publish(d.seq); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// arrive waits for all that was published.
func (d *stage) arrive(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	err := d.reader.reaches(ctx, d.followed, d.seq)
	return fmt.Sprintf("%d contents, none missing, none twice", int(d.seq)*len(d.followed)), err
}

func (d *stage) publish(ctx context.Context) (string, error) {
	if err := d.readings(ctx, perAct); err != nil {
		return "", err
	}
	return d.arrive(ctx)
}

func (d *stage) swap(ctx context.Context) (string, error) {
	for _, strategy := range []string{"builtin:multicast", "builtin:best-route"} {
		if err := d.readings(ctx, perAct/2); err != nil {
			return "", err
		}
		for _, f := range []*forwarder{d.a, d.b, d.c} {
			if err := f.admin().Post(ctx, "/v1/plugins/swap", admin.PluginLoad{Name: "strategy", From: strategy}, nil); err != nil {
				return "", err
			}
		}
		if err := d.readings(ctx, perAct/2); err != nil {
			return "", err
		}
	}
	return d.arrive(ctx)
}

func (d *stage) killMiddle(ctx context.Context) (string, error) {
	if err := d.readings(ctx, perAct/2); err != nil {
		return "", err
	}
	if err := d.b.end(syscall.SIGKILL); err != nil {
		return "", err
	}
	if err := d.readings(ctx, perAct); err != nil {
		return "", err
	}
	if err := d.c.hopsTo(ctx, "sensors"); err != nil {
		return "", err
	}
	if err := d.readings(ctx, perAct/2); err != nil {
		return "", err
	}
	return d.arrive(ctx)
}

// restartMiddle starts the forwarder that was killed without any neighbour first, so that what it answers can only be from its disk.
func (d *stage) restartMiddle(ctx context.Context) (string, error) {
	if err := errors.Join(d.b.configure(-1, false), d.b.start(ctx)); err != nil {
		return "", err
	}
	if err := d.askMiddle(ctx); err != nil {
		return "", err
	}
	if err := errors.Join(d.b.end(syscall.SIGTERM), d.configureMiddle(), d.b.start(ctx)); err != nil {
		return "", err
	}
	if err := d.c.hopsTo(ctx, "middle"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d contents of before it was killed, asked while it had no neighbour", perAct*len(d.followed)), nil
}

// askMiddle asks for what the middle relayed before it was killed.
func (d *stage) askMiddle(ctx context.Context) error {
	n, err := dial(ctx, d.b, false)
	if err != nil {
		return err
	}
	defer n.Close()
	r := newReader(d.decoders, nil)
	for _, s := range d.followed {
		for seq := uint32(1); seq <= perAct; seq++ {
			c, err := get(ctx, n, s, seq)
			switch {
			case err != nil:
				return err
			case c.TTL != wire.MaxTTL: // P-21
				return fmt.Errorf("%s number %d came from further away", s.uri, seq)
			}
			if err := r.check(ctx, s, &c); err != nil {
				return err
			}
		}
	}
	return nil
}

func get(ctx context.Context, n *node.Node, s *sensor, seq uint32) (node.Content, error) {
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	c, err := n.Get(ctx, s.stream.Name, seq)
	if err != nil {
		return c, fmt.Errorf("%s number %d: %w", s.uri, seq, err)
	}
	return c, nil
}

func (d *stage) replay(ctx context.Context) (string, error) {
	n, err := dial(ctx, d.c, false)
	if err != nil {
		return "", err
	}
	defer n.Close()
	s := d.followed[0]
	r := newReader(d.decoders, nil)
	if err := d.follow(ctx, r, n, s); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	return fmt.Sprintf("1 to %d of %s", d.seq, s.uri), r.reaches(ctx, []*sensor{s}, d.seq)
}

func (d *stage) wrongKeys(ctx context.Context) (string, error) {
	for _, s := range d.sensors {
		c, err := get(ctx, d.consumer, s, 1)
		if err != nil {
			return "", err
		}
		plain, err := s.wrong.Open(c.Payload, 1)
		if err == nil && fmt.Sprintf("%x", plain) == s.reading(1).payload {
			return "", fmt.Errorf("%s opened with a wrong key", s.uri)
		}
		if s.stream.Method == node.ChaCha20Poly1305 && !errors.Is(err, node.ErrPayload) {
			return "", fmt.Errorf("%s: a wrong key gave %w, want %w", s.uri, err, node.ErrPayload)
		}
	}
	before, err := d.badMACs(ctx)
	if err != nil {
		return "", err
	}
	n, err := dial(ctx, d.c, true)
	if err != nil {
		return "", err
	}
	defer n.Close()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if c, err := n.Get(short, d.followed[0].stream.Name, 1); err == nil {
		return "", fmt.Errorf("a node with another network key got number %d", c.Seq)
	}
	after, err := d.badMACs(ctx)
	if err == nil && after <= before {
		err = errors.New("frames with a wrong MAC were not counted")
	}
	return fmt.Sprintf("%d frames dropped as bad_mac", after-before), err
}

func (d *stage) badMACs(ctx context.Context) (uint64, error) {
	var s admin.Status
	err := d.c.admin().Get(ctx, "/v1/status", &s)
	return s.Drops["bad_mac"], err
}

// killProducers waits until the mirror has everything of the sensor that nobody follows, and then reads it without its
// forwarder.
func (d *stage) killProducers(ctx context.Context) (string, error) {
	n, err := dial(ctx, d.b, false)
	if err != nil {
		return "", err
	}
	defer n.Close()
	err = poll(ctx, "the mirror has not caught up", func() (bool, error) {
		c, err := get(ctx, n, d.quiet, d.seq)
		return err == nil && c.TTL == wire.MaxTTL, err
	})
	if err != nil {
		return "", err
	}
	if err := d.a.end(syscall.SIGKILL); err != nil {
		return "", err
	}
	r := newReader(d.decoders, nil)
	for seq := uint32(1); seq <= d.seq; seq++ {
		c, err := get(ctx, d.consumer, d.quiet, seq)
		if err != nil {
			return "", err
		}
		if err := r.check(ctx, d.quiet, &c); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d contents of %s", d.seq, d.quiet.uri), nil
}

// strike takes everything down.
func (d *stage) strike() {
	for _, stop := range d.unfollowed {
		stop()
	}
	if d.consumer != nil {
		_ = d.consumer.Close()
	}
	for _, s := range d.sensors {
		if s.node != nil {
			_ = s.node.Close()
		}
	}
	for _, f := range []*forwarder{d.a, d.b, d.c} {
		if f != nil {
			_ = f.end(syscall.SIGTERM)
		}
	}
	if d.decoders != nil {
		_ = d.decoders.Close()
	}
}
