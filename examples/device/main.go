// Command device is a sensor: it publishes a reading every few seconds, encrypted, under numbers that survive its restarts.
//
//	go run ./examples/device --to udp://127.0.0.1:2208 --network-key 2b7e151628aed2a6abf7158809cf4f3c
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"
	"time"

	"github.com/zmesh/zmesh/sdk/node"
)

func main() {
	to := flag.String("to", "udp://127.0.0.1:2208", "the forwarder")
	networkKey := flag.String("network-key", "", "hex: what frames are authenticated with")
	name := flag.String("name", "location/hq/floor/2/room/22/event/temp", "URI, or 12 hex digits")
	method := flag.String("encryption", "aes-128-ctr", "none, aes-128-ctr or chacha20-poly1305")
	key := flag.String("key", "000102030405060708090a0b0c0d0e0f", "hex: the stream's key")
	iv := flag.String("iv", "a0a1a2a3a4a5a6a7a8", "hex: the stream's IV")
	data := flag.String("data", "device-data", "folder that remembers which numbers were used")
	port := flag.Int("port", 40022, "our own UDP port: the forwarder knows a producer by its address")
	every := flag.Duration("every", 5*time.Second, "between two readings")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	config, err1 := node.ParseConfig(*networkKey)
	stream, err2 := node.ParseStream(*name, *method, *key, *iv)
	marks, err3 := node.OpenWatermark(*data)
	if err := errors.Join(err1, err2, err3); err != nil {
		log.Fatal(err)
	}
	config.Port = *port
	link, err := node.Dial(ctx, *to, config)
	if err != nil {
		log.Fatal(err)
	}
	producer := node.NewProducer(link, stream, marks)
	for ticks := time.NewTicker(*every); ctx.Err() == nil; {
		reading := fmt.Sprintf("%.1f", 21+3*math.Sin(float64(time.Now().Unix())/600))
		number, err := producer.Publish([]byte(reading))
		log.Printf("number %d: %s °C, error: %v", number, reading, err)
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
	if err := errors.Join(marks.Close(), link.Close()); err != nil { // unused numbers are given back
		log.Fatal(err)
	}
}
