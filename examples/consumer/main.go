// Command consumer prints what a sensor publishes: in order, without holes, or with a line that says what is lost.
//
//	go run ./examples/consumer --to udp://127.0.0.1:2208 --network-key 2b7e151628aed2a6abf7158809cf4f3c
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/zmesh/zmesh/sdk/node"
)

func main() {
	to := flag.String("to", "udp://127.0.0.1:2208", "the forwarder")
	networkKey := flag.String("network-key", "", "hex: what frames are authenticated with")
	name := flag.String("name", "location/hq/floor/2/room/22/event/temp", "URI, or 12 hex digits")
	method := flag.String("encryption", "aes-128-ctr", "none, aes-128-ctr or chacha20-poly1305")
	key := flag.String("key", "000102030405060708090a0b0c0d0e0f", "hex: the stream's key")
	iv := flag.String("iv", "a0a1a2a3a4a5a6a7a8", "hex: the stream's IV")
	from := flag.Uint("from", uint(node.Now), "first number wanted; 1: the oldest there is, 0: from now on")
	count := flag.Int("count", 0, "stop after so many; 0: never")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	config, err1 := node.ParseConfig(*networkKey)
	stream, err2 := node.ParseStream(*name, *method, *key, *iv)
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	link, err := node.Dial(ctx, *to, config)
	if err != nil {
		log.Fatal(err)
	}
	subscription, err := link.Subscribe(stream.Name, uint32(*from), false)
	for n := 1; err == nil && (*count == 0 || n <= *count); n++ {
		var update node.Update
		if update, err = subscription.Next(ctx); err == nil {
			show(stream, update)
		}
	}
	if err := errors.Join(link.Close(), err); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func show(stream *node.Stream, u node.Update) {
	if u.Lost {
		fmt.Printf("numbers %d to %d are lost\n", u.From, u.To)
		return
	}
	reading, err := stream.Open(u.Payload, u.Seq)
	fmt.Printf("%s  number %d: %s °C, error: %v\n", u.Received.Format("15:04:05.000"), u.Seq, reading, err)
}
