package table

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
	"pgregory.net/rapid"
)

// mesh is a network of RIBs under a virtual clock: frames are late, overtake each other, are lost and repeated.
// Face f of a node is link f-1, seen from that node.
type mesh struct {
	now    time.Duration
	random *rand.Rand
	nodes  []*RIB
	links  []meshLink
	events meshEvents
	serial int

	maxDelay time.Duration
	loss     float64
	twice    float64

	sends  map[sendKey]int // OnSend calls, less offers to a face
	frames int
	fail   func(format string, args ...any)
}

type meshLink struct {
	ends [2]int
	cost [2]uint16 // of the face at each end
	up   bool
	term int // how often it was cut: frames in flight are lost with it
}

type sendKey struct {
	node   int
	origin uint32
	seq    uint32
}

type meshEvent struct {
	at     time.Duration
	serial int
	do     func()
}

type meshEvents []meshEvent

func (e meshEvents) Len() int      { return len(e) }
func (e meshEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e meshEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e *meshEvents) Push(x any) { *e = append(*e, x.(meshEvent)) }
func (e *meshEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

var meshPrefix = name.MakePrefix(name.Name{1, 2}, 2)

const meshLifetime = 30 * time.Second

// origin ids are node numbers plus 1.
func meshOrigin(node int) uint32 { return uint32(node + 1) }

func newMesh(seed uint64, nodes int, links []meshLink, fail func(string, ...any)) *mesh {
	m := &mesh{random: rand.New(rand.NewPCG(seed, 1)), links: links, maxDelay: 50 * time.Millisecond, fail: fail}
	m.sends = map[sendKey]int{}
	for i := range nodes {
		m.nodes = append(m.nodes, m.newNode(i))
	}
	for i := range m.links {
		m.heal(i)
	}
	return m
}

// newNode starts a node; its clock is that of the mesh, so its numbers go on where they were.
func (m *mesh) newNode(i int) *RIB {
	return NewRIB(RIBSettings{
		Node: meshOrigin(i), FirstSeq: 0xFFFFF0, Seed: testSeed, // numbers wrap around in every run
		OnRoute: func(uint8, name.Prefix, []Hop) {},
		OnSend:  func(s Send) { m.send(i, s) },
	})
}

// drawMesh draws a connected graph: a tree, and some links more.
func drawMesh(t *rapid.T) *mesh {
	n := rapid.IntRange(5, 12).Draw(t, "nodes")
	cost := rapid.Uint16Range(1, 10)
	var links []meshLink
	add := func(a, b int) {
		links = append(links, meshLink{ends: [2]int{a, b}, cost: [2]uint16{cost.Draw(t, "cost"), cost.Draw(t, "cost back")}})
	}
	for i := 1; i < n; i++ {
		add(i, rapid.IntRange(0, i-1).Draw(t, "parent"))
	}
	for range rapid.IntRange(0, n).Draw(t, "more links") {
		a := rapid.IntRange(0, n-1).Draw(t, "a")
		b := rapid.IntRange(0, n-2).Draw(t, "b")
		if b >= a {
			b++
		}
		add(a, b)
	}
	return newMesh(rapid.Uint64().Draw(t, "seed"), n, links, t.Fatalf)
}

func (m *mesh) after(d time.Duration, do func()) {
	m.serial++
	heap.Push(&m.events, meshEvent{m.now + d, m.serial, do})
}

func (m *mesh) delay() time.Duration { return time.Duration(m.random.Int64N(int64(m.maxDelay))) + 1 }

func (m *mesh) send(from int, s Send) {
	if s.Only == 0 {
		m.sends[sendKey{from, s.Origin, s.FSEQ}]++
	}
	for i := range m.links {
		l, face := &m.links[i], FaceID(i+1)
		end := slices.Index(l.ends[:], from)
		if end < 0 || !l.up || s.Except == face || s.Only != 0 && s.Only != face {
			continue
		}
		m.frames++
		for m.random.Float64() >= m.loss { // lost; or once; or more
			m.carry(i, l.ends[1-end], s)
			if m.random.Float64() >= m.twice {
				break
			}
		}
	}
}

func (m *mesh) carry(link, to int, s Send) {
	term := m.links[link].term
	m.after(m.delay(), func() {
		if m.links[link].term != term {
			return
		}
		a := wire.Announced{PrefixLen: s.Prefix.Len, Cost: s.Cost, Lifetime: s.Lifetime, Origin: s.Origin}
		m.nodes[to].Receive(m.now, FaceID(link+1), s.Net, s.Prefix, s.FSEQ, a)
	})
}

// cut takes a link down; its ends notice at different times. heal brings it back.
func (m *mesh) cut(link int) {
	l := &m.links[link]
	if !l.up {
		return
	}
	l.up = false
	l.term++
	term := l.term
	for _, node := range l.ends {
		m.after(m.delay(), func() {
			if l.term == term && !l.up {
				m.nodes[node].FaceDown(m.now, FaceID(link+1))
			}
		})
	}
}

func (m *mesh) heal(link int) {
	l := &m.links[link]
	if l.up {
		return
	}
	l.up = true
	l.term++
	term := l.term
	for end, node := range l.ends {
		m.nodes[node].FaceDown(m.now, FaceID(link+1)) // if it has not noticed yet
		m.after(m.delay(), func() {
			if l.term == term {
				m.nodes[node].FaceUp(m.now, FaceID(link+1), l.cost[end])
			}
		})
	}
}

// restart starts a node anew, with nothing in its memory. Its neighbours notice by its boot number (P-18) before they
// hear anything else from it.
func (m *mesh) restart(node int) {
	m.nodes[node] = m.newNode(node)
	for i := range m.links {
		if l := &m.links[i]; l.up && slices.Contains(l.ends[:], node) {
			l.up = false
			m.heal(i)
		}
	}
}

// run lets the mesh work until a time; after each event there must be no loop.
func (m *mesh) run(until time.Duration) {
	for {
		next, node := until, -1
		for i, r := range m.nodes {
			if at, ok := r.Next(); ok && at < next {
				next, node = at, i
			}
		}
		if len(m.events) > 0 && m.events[0].at <= next {
			next, node = m.events[0].at, -1
		} else if node < 0 {
			break
		}
		m.now = max(m.now, next)
		if node >= 0 {
			m.nodes[node].Advance(m.now)
		} else {
			heap.Pop(&m.events).(meshEvent).do()
		}
		m.checkLoops()
	}
	m.now = until
}

// hops gives the nodes that a node may send to for an origin, by all next hops and not only the best.
func (m *mesh) hops(node int, origin uint32) (next []int) {
	r := m.nodes[node]
	i, ok := r.index.Get(sourceKey{prefixKey(0, meshPrefix), origin})
	if !ok {
		return nil
	}
	s := r.sources.At(i)
	for _, e := range s.entries {
		if s.usable(e) {
			l := m.links[e.face-1]
			next = append(next, l.ends[0]+l.ends[1]-node)
		}
	}
	return next
}

func (m *mesh) checkLoops() {
	for o := range m.nodes {
		origin, state := meshOrigin(o), make([]uint8, len(m.nodes)) // 1: on the path, 2: done
		var visit func(node int)
		visit = func(node int) {
			state[node] = 1
			for _, next := range m.hops(node, origin) {
				if state[next] == 1 {
					m.fail("at %v: a loop towards %d through nodes %d and %d", m.now, o, node, next)
				}
				if state[next] == 0 {
					visit(next)
				}
			}
			state[node] = 2
		}
		for node := range m.nodes {
			if state[node] == 0 {
				visit(node)
			}
		}
	}
}

// shortest is Bellman and Ford's: what the way from each node to the origin costs.
func (m *mesh) shortest(origin int) []int {
	const far = wire.CostUnreachable
	cost := make([]int, len(m.nodes))
	for i := range cost {
		cost[i] = far
	}
	cost[origin] = 0
	for range m.nodes {
		for _, l := range m.links {
			for end, node := range l.ends {
				if l.up {
					cost[node] = min(cost[node], cost[l.ends[1-end]]+int(l.cost[end]))
				}
			}
		}
	}
	return cost
}

// checkShortest wants the best hop of every node to be on the shortest way to the origin.
func (m *mesh) checkShortest(origin int) error {
	for node, want := range m.shortest(origin) {
		if node == origin {
			continue
		}
		got := wire.CostUnreachable
		for _, r := range m.nodes[node].Routes(m.now) {
			if r.Origin == meshOrigin(origin) && r.Used {
				got = min(got, int(r.Cost))
			}
		}
		if got != want {
			return fmt.Errorf("at %v: node %d reaches %d at cost %d, want %d", m.now, node, origin, got, want)
		}
	}
	return nil
}
