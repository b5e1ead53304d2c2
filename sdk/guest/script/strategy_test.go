package script

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zmesh/zmesh/sdk/guest"
	"github.com/zmesh/zmesh/sdk/guest/abi"
)

// shown gives what a strategy with needs is shown of the one event of a script.
func shown(t *testing.T, needs guest.Needs, text string) (got guest.Event) {
	t.Helper()
	f, err := Read("x", "strategy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = collect(f, native(watcher{needs, func(ev *guest.Event) {
		got = *ev
		got.Hops = slices.Clone(ev.Hops)
	}}))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

type watcher struct {
	needs guest.Needs
	see   func(*guest.Event)
}

func (w watcher) Needs() guest.Needs                        { return w.needs }
func (watcher) Configure(guest.Values) error                { return nil }
func (w watcher) Decide(ev *guest.Event, _ *guest.Commands) { w.see(ev) }

// What a strategy is shown is what the line says.
func TestStrategyEvent(t *testing.T) {
	const hops = "hop face=4 cost=10 state=tried,returned,measured rtt=20ms var=5us silent=3s loss=0.5 queue=2\nhop face=3 cost=20 state=producer,broadcast\n"
	const line = "at=2s name=010203010000 seq=0x105 in=3 face=9 ttl=4 more=2 reason=ttl expiry=3s length=70 fhdr=5 key=2 kind=broadcast signal=-80 random=77\n"
	want := guest.Event{
		Kind: abi.ReturnIn, Now: 2e9, Expiry: 3e9, Name: [6]byte{1, 2, 3, 1, 0, 0}, Seq: 0x105, InFace: 3, Face: 9, TTL: 4, Reason: 6, More: 2,
		Length: 70, FHDR: 5, KeyID: 2, InKind: abi.FaceBroadcast, Signal: -80, Random: 77,
		Hops: []guest.Hop{
			{Face: 4, Cost: 10, State: abi.HopTried | abi.HopReturned | abi.HopMeasured, RTT: 20000, Var: 5, Silent: 3000, Loss: 0x8000, Queue: 2},
			{Face: 3, Cost: 20, State: abi.HopInFace | abi.HopProducer | abi.HopBroadcast, Queue: abi.QueueUnknown},
		},
	}
	if got := shown(t, abi.FeatureMeasures, "return "+line+hops); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	want.Hops[0] = guest.Hop{Face: 4, Cost: 10, State: want.Hops[0].State, Queue: abi.QueueUnknown}
	if got := shown(t, 0, "return "+line+hops); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("without measurements: %+v, want %+v", got, want)
	}
	if got := shown(t, abi.FeatureContent, "content in=4\n"); got.Type != 1 || got.Face != 4 || got.Signal != abi.SignalUnknown || got.TTL != 7 {
		t.Errorf("%+v", got)
	}
	if got := shown(t, abi.FeatureFaces, "face name=0102 face=4 state=down\n"); got.Name != [6]byte{1, 2} || got.Prefix != 2 || got.Up || got.Face != 4 {
		t.Errorf("%+v", got)
	}
	if got := shown(t, abi.FeatureFaces|abi.FeatureRoutes, "face\n"); !got.Up {
		t.Errorf("%+v", got)
	}
	if got := shown(t, abi.FeatureScratch, "interest\n"); len(got.Route) != abi.ScratchRoute || len(got.Pending) != abi.ScratchPending {
		t.Errorf("%+v", got)
	}
	if got := shown(t, abi.FeatureScratch, "interest route=-\n"); got.Route != nil || got.Pending == nil {
		t.Errorf("%+v", got)
	}
	if got := shown(t, abi.FeatureScratch|abi.FeatureContent, "content\n"); got.Pending != nil {
		t.Errorf("%+v: a Content makes no pending Interest", got)
	}
}

// learner counts Interests in the blocks of the host, and uses the commands that toy does not.
type learner struct{}

func (learner) Needs() guest.Needs { return abi.FeatureScratch | abi.FeatureContent }

func (learner) Configure(guest.Values) error { return nil }

func (learner) Decide(ev *guest.Event, do *guest.Commands) {
	if ev.TTL == 0 {
		ev.Route.PutUint32(0, 99)
		panic("lost")
	}
	switch ev.Kind {
	case abi.InterestIn:
		ev.Route.PutUint32(0, ev.Route.Uint32(0)+1)
		ev.Pending.PutUint32(4, ev.Route.Uint32(0))
		do.Timer(5e7)
	case abi.TimerDue:
		do.Repeat(ev.Now)
		do.SendTo(ev.Pending.Uint32(4))
	}
}

func (learner) Migrate(from uint64, route, pending guest.Scratch) bool {
	if from != abi.SchemaID("old") || pending != nil {
		return false
	}
	route.PutUint32(4, route.Uint32(0))
	return true
}

const life = `interest seq=7 show=route,pending
----
timer 50ms
route 01
pending 0000000001

# another route has another block
interest seq=8 route=b show=route
----
timer 50ms
route 01

restart
timer seq=7
----
repeat 50ms
send 1

timer seq=7
----
no timer

timer seq=8 at=+1s
----
repeat 1.05s
send 1

# what a trap has written does not count
interest seq=9 ttl=0
----
trap

interest seq=9 show=route
----
timer 50ms
route 02

content seq=9 show=pending
----
pending 0000000002

content seq=9 show=pending
----
nothing

route name=01
----
not asked

migrate from=old route=07
----
route 0700000007

migrate from=old pending=07
----
failed

migrate from=other route=07
----
failed

config
interest show=route
----
timer 50ms
route 01
`

func TestBlocksAndTimers(t *testing.T) {
	f, err := Read("x", "strategy", []byte(life))
	if err != nil {
		t.Fatal(err)
	}
	results, err := collect(f, native(learner{}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range results {
		if r := &results[i]; !r.OK() {
			t.Errorf("line %d: %s\n%s", r.Line, r.Event, r.Diff())
		}
	}
	if got := string(f.Text(results)); got != life {
		t.Errorf("written as\n%s", got)
	}
	if f, err = Read("x", "strategy", []byte("migrate from=old route="+strings.Repeat("00", 97))); err == nil || !strings.Contains(err.Error(), "route has 96 bytes") {
		t.Errorf("%+v, %v", f, err)
	}
}
