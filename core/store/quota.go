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
}

// spent gives the bytes that face stored in the hour of now. Faces begin each hour at 0, and so those that are gone are
// forgotten.
func (f *faceBytes) spent(face uint32, now time.Duration) int64 {
	if hour := now / time.Hour; hour != f.hour {
		f.bytes.clear()
		f.hour = hour
	}
	n, _ := f.bytes.get(uint64(face) + 1)
	return int64(n)
}

func (f *faceBytes) add(face uint32, n int) {
	old, _ := f.bytes.get(uint64(face) + 1)
	f.bytes.put(uint64(face)+1, old+uint64(n))
}

// overShare tells whether n bytes more are too many for the face of p.
func (s *Shard) overShare(p *Put, n int) bool {
	limit := p.Share
	if limit == 0 {
		limit = s.cfg.HourBytes / faceShare
	}
	return limit >= 0 && s.faces.spent(p.Face, s.now)+int64(n) > limit
}
