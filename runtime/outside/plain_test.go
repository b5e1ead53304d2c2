package outside

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// plain is a client that knows only the facts: a fixed source port, newest with 2 s expiry, a subscription that is renewed
// every 60 s. It knows no hellos and no Returns: packet types that it does not know it ignores.
type plain struct {
	*peer
	ahead time.Duration // how much later than now it is for the client
}

func (p *plain) ask(n title, seq uint32, expiry uint16) {
	p.t.Helper()
	f := interest(n, seq, expiry)
	f.payload = asking(stamp()+p.ahead.Milliseconds(), expiry)
	p.send(f)
}

// hears waits for a Content.
func (p *plain) hears(want frame) {
	p.t.Helper()
	for {
		switch got := p.next(); {
		case got.kind != kindContent:
		case got.name != want.name || got.seq != want.seq || string(got.payload) != string(want.payload):
			p.t.Fatalf("got %v, want %v", got, want)
		default:
			return
		}
	}
}

// hearsNothing sees to it that no Content is left.
func (p *plain) hearsNothing() {
	p.t.Helper()
	for _, f := range p.upToMark() {
		if f.kind == kindContent {
			p.t.Errorf("%v came once more, or unasked for", f)
		}
	}
}

// plainLife is what a plain producer and a plain consumer do with each other over whatever is between them.
func plainLife(t *testing.T, producer, consumer *plain) {
	t.Helper()
	publish := func(seq uint32, text string) frame {
		f := content(room, seq, text)
		producer.send(f)
		return f
	}
	consumer.ask(room, newest, 2) // before there is anything: whatever comes, it is no Content
	consumer.hearsNothing()
	f := publish(1, "21.0")
	producer.hearsNothing()
	consumer.ask(room, newest, 2)
	consumer.hears(f)
	consumer.ask(room, subscribe, 60)
	consumer.hearsNothing()
	producer.hearsNothing()
	for seq := uint32(2); seq < 12; seq++ {
		consumer.hears(publish(seq, "22.5"))
		if seq%4 == 0 { // a minute later
			consumer.ahead += time.Minute
			consumer.ask(room, subscribe, 60)
			consumer.hearsNothing()
		}
	}
	consumer.ask(room, 5, 2)
	consumer.hears(content(room, 5, "22.5"))
	consumer.ask(room, newest, 2)
	consumer.hears(content(room, 11, "22.5"))
	consumer.hearsNothing()
}

func TestAPlainClientWorksUnchanged(t *testing.T) {
	n := start(t, setup{})
	plainLife(t, &plain{peer: n.peer()}, &plain{peer: n.peer()})
}

// The nodes between them greet each other, return and announce; the clients see nothing of it.
func TestPlainClientsOnBothSidesOfTwoNodes(t *testing.T) {
	back := start(t, setup{name: "back", id: 0xA2})
	front := start(t, setup{name: "front", id: 0xA1, lan: "publish = []", rest: remote("up", back.addr, "hello = true") + route("01", "up")})
	eventually(t, "they know each other", func() bool { return front.forwarderAt("up") == "000000a2" })
	plainLife(t, &plain{peer: back.peer()}, &plain{peer: front.peer()})
}

// A client that is started again has the same port and knows nothing of its former life.
func TestAPlainClientThatStartsAgain(t *testing.T) {
	n := start(t, setup{})
	producer, first := &plain{peer: n.peer()}, n.peer()
	f := producer.publishes(room, 1, "x")
	for range 3 {
		first.send(interest(room, subscribe, 60))
		first.quiet()
		if err := first.conn.Close(); err != nil {
			t.Fatal(err)
		}
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(first.addr))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		again := &plain{peer: &peer{t: t, conn: conn, addr: first.addr, node: n.addr, key: networkKey}}
		again.ask(room, newest, 2)
		again.hears(f)
		first = again.peer
	}
	pushes(producer.peer, []*peer{first}, content(room, 2, "y"))
}

// The program itself: `zmesh run` in a process of its own serves the same clients and ends well when it is told to.
func TestPlainClientsOfTheProgram(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := folder(t)
	program := filepath.Join(dir, "zmesh")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/zmesh/zmesh/runtime/cmd/zmesh").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	free := socket(t)
	if err := free.conn.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "node.toml")
	if err := os.WriteFile(file, []byte(setup{at: free.addr.String()}.toml()), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "run", "--config", file)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Process.Kill() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("it said %q (%v)", line, err)
	}
	n := &node{t: t, addr: free.addr}
	plainLife(t, &plain{peer: n.peer()}, &plain{peer: n.peer()})
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with: %v", err)
	}
}
