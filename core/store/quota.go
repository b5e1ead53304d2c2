package store

import "time"

// What of the store one name and one face may take: P-22.

// overRate tells whether another content of e within r's rate is too many. It is the generic cell rate algorithm: a minute's
// worth may come at once, then one each interval. A name is charged by charge, only for what was stored.
func (e *entry) overRate(r *Rule, now time.Duration) bool {
	if r.MaxRatePerName < 0 {
		return false
	}
	return e.paidTo-now > time.Minute-time.Minute/time.Duration(r.MaxRatePerName)
}

func (e *entry) charge(r *Rule, now time.Duration) {
	if r.MaxRatePerName > 0 {
		e.paidTo = max(e.paidTo, now) + time.Minute/time.Duration(r.MaxRatePerName)
	}
}

// faceBytes counts the bytes that each face stored in the running hour.
type faceBytes struct {
	bytes table
	hour  time.Duration

	last uint64 // key of the face that was asked for last: most contents in a row come from one
	n    uint64 // its bytes; what bytes has of it is older
}

// of gives the count of a face in the hour of now. Faces begin each hour at 0, and so those that are gone are forgotten.
func (f *faceBytes) of(face uint32, now time.Duration) *uint64 {
	if hour := now / time.Hour; hour != f.hour {
		f.bytes.clear()
		f.hour, f.last = hour, 0
	}
	if key := uint64(face) + 1; f.last != key {
		if f.last != 0 {
			f.bytes.put(f.last, f.n)
		}
		f.last = key
		f.n, _ = f.bytes.get(key)
	}
	return &f.n
}

// overNames tells whether one more name is too many for the face of p: of the names that it brought and that are still known it may have
// its share, so that a flood of new names leaves room for the others'. Beyond it a newcomer takes the place of a name of which nothing is left.
func (s *Shard) overNames(p *Put) bool {
	n, _ := s.brought.get(uint64(p.Face) + 1)
	return float64(n) >= max(p.Share, faceShare)*float64(s.cfg.MaxNames)
}

// bring counts a name of a face in, or out again.
func (s *Shard) bring(e *entry, by int) {
	if e.face == 0 { // an earlier run's
		return
	}
	k := uint64(e.face) + 1
	n, _ := s.brought.get(k)
	if n += uint64(by); n == 0 {
		s.brought.del(k)
		return
	}
	s.brought.put(k, n)
}

// overShare tells whether n bytes more are too many for the face of p.
func (s *Shard) overShare(p *Put, n int) bool {
	limit := int64(max(p.Share, faceShare) * float64(s.cfg.HourBytes))
	return int64(*s.faces.of(p.Face, s.now))+int64(n) > limit
}
