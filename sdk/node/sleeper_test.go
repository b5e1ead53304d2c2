package node

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/zmesh/zmesh/core/name"
	"github.com/zmesh/zmesh/core/wire"
)

// Commands that are gone one after the other are one range, also at the end, and one that was not taken comes again.
func TestSleeperIsToldOfLostCommandsAsRanges(t *testing.T) {
	marks := openMarks(t, t.TempDir())
	commands := name.Name{7}
	cursor, err := OpenCursor(t.TempDir(), "commands", commands)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	inBubble(t, 1, faults{}, func(r *rig) {
		for seq := uint32(1); seq <= 40; seq++ {
			r.fw.publish(commands, seq, "do it")
			if seq <= 5 || 7 <= seq && seq <= 9 || seq >= 31 {
				r.fw.drop(commands, seq)
			}
		}
		r.fw.publish(commands, 41, "do it")
		r.fw.set(func() { r.fw.refuse[ask{commands, 36}] = wire.ReturnCongestion })
		var got []string
		busy := errors.New("busy")
		wake := func(answer error) error {
			s := NewSleeper(r.node, SleeperConfig{
				Readings: testStream(r.t, None), Marks: marks, Commands: commands, Cursor: cursor,
				Handle: func(u Update) error {
					switch {
					case u.Lost:
						got = append(got, fmt.Sprintf("%d-%d", u.From, u.To))
					default:
						got = append(got, fmt.Sprint(u.Seq))
					}
					return answer
				},
			})
			return s.Wake(r.t.Context(), nil)
		}
		for i, c := range []struct {
			answer error
			want   []string
		}{
			{busy, []string{"1-5"}},
			{nil, append([]string{"1-5", "6", "7-9"}, append(numbers(10, 30), "31-35")...)},
			{nil, nil}, // nothing is known of 36 yet
			{nil, []string{"36-40", "41"}},
			{nil, nil},
		} {
			if i == 3 {
				r.fw.set(func() { clear(r.fw.refuse) })
			}
			got = nil
			if err := wake(c.answer); !errors.Is(err, c.answer) || !slices.Equal(got, c.want) {
				r.t.Errorf("wake %d: %v, %v; want %v, %v", i, got, err, c.want, c.answer)
			}
		}
		if n := r.fw.count(r.face, ask{commands, wire.SeqNewest}); n != 5 {
			r.t.Errorf("the newest was asked for %d times, want once for each wake that met what is not here", n)
		}
	})
}

func numbers(from, to uint32) (list []string) {
	for seq := from; seq <= to; seq++ {
		list = append(list, fmt.Sprint(seq))
	}
	return list
}
