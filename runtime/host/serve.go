package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zmesh/zmesh/core/drop"
	"github.com/zmesh/zmesh/runtime/admin"
	"github.com/zmesh/zmesh/runtime/config"
)

// serve opens the admin address and, if it is wanted, that of the metrics.
func (h *Host) serve() (err error) {
	cfg := h.cfg.Load()
	access := admin.Access{Token: string(cfg.Admin.Token.Bytes()), Log: h.webLog("admin")}
	if t := cfg.Admin.TLS; t != nil {
		if access.TLS, err = mutualTLS(t); err != nil {
			return err
		}
	}
	h.admin, err = admin.Serve(cfg.Admin.Network, cfg.Admin.Address, access, h)
	if errors.Is(err, syscall.EROFS) { // a node that forwards is better than none
		h.log.Error().Err(err).Msg("the admin socket cannot be made: nobody can ask this node anything; let [admin] listen on another file system or a TCP address")
	} else if err != nil {
		return err
	}
	if cfg.Metrics.Listen == "" {
		return nil
	}
	h.metrics, err = h.serveMetrics(cfg.Metrics.Listen)
	return err
}

// webLog takes what net/http has to say of clients, and of a panic.
func (h *Host) webLog(of string) *log.Logger {
	return log.New(h.log.With().Str("level", "warn").Str("server", of).Logger(), "", 0)
}

// mutualTLS is the server's side of the admin address over TCP.
func mutualTLS(t *config.AdminTLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("admin certificate %s: %w", t.Certificate, err)
	}
	pem, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("admin client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("admin client_ca %s holds no certificate in PEM", t.ClientCA)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}

// metricsServer serves /metrics and nothing else: profiles are on the admin socket, since they hold keys.
type metricsServer struct {
	http *http.Server
	done chan struct{}
}

func (h *Host) serveMetrics(address string) (*metricsServer, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics address %s: %w", address, err)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(collector{h}); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics: %w", err), ln.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	m := &metricsServer{http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, ErrorLog: h.webLog("metrics")}, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		_ = m.http.Serve(ln) // ends with ErrServerClosed, by Close
	}()
	return m, nil
}

// Close ends the server.
func (m *metricsServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := m.http.Shutdown(ctx)
	if err != nil {
		err = m.http.Close()
	}
	<-m.done
	return err
}

// collector reads the node's counters when it is scraped: the path counts for itself and knows nothing of Prometheus.
type collector struct{ h *Host }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("zmesh_"+name, help, labels, nil)
}

var (
	descDropped = desc("frames_dropped_total", "Frames dropped, by face and reason.", "face", "reason")
	descFrames  = desc("frames_total", "Frames, by face and direction.", "face", "direction")
	descBytes   = desc("bytes_total", "Bytes of frames, by face and direction.", "face", "direction")
	descUp      = desc("face_up", "Whether a configured remote can be sent to.", "face")
	descLine    = desc("line_total", "What happened on the line of a face with a driver.", "face", "event")
	descTables  = desc("table_entries", "Entries of a table.", "table")
	descEvents  = desc("events_total", "What became of Interests and Contents.", "event")
	descStore   = desc("store", "The content store.", "of")
	descLimits  = desc("plugin_limit_hits_total", "How often a plugin met one of its limits.", "plugin", "limit")
	descCount   = desc("plugin_count_total", "What a plugin counts.", "plugin", "name")
	descGauge   = desc("plugin_gauge", "What a plugin measures.", "plugin", "name")
	descJournal = desc("plugin_journal_lost_total", "Steps of plugins that could not be written to the journal on disk.")
	descNotKept = desc("store_not_kept_total", "Contents that were forwarded and not stored, by cause.", "cause")
	descMirror  = desc("mirror", "How far a mirror has come: names, contents copied, numbers behind and lost.", "prefix", "of")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for face, n := range c.h.totals() {
		count(descFrames, n.InFrames, face, "in")
		count(descFrames, n.OutFrames, face, "out")
		count(descBytes, n.InBytes, face, "in")
		count(descBytes, n.OutBytes, face, "out")
		for why := drop.None + 1; why < drop.Count; why++ {
			count(descDropped, n.Drops[why], face, why.String())
		}
	}
	for _, f := range c.h.Faces() {
		if !f.OnDemand && !f.Listener {
			gauge(descUp, map[bool]float64{true: 1}[f.Up], f.Name)
		}
		if d := f.Driver; d != nil {
			for event, n := range map[string]uint64{
				"driver_calls": d.Calls, "reads": d.Reads, "writes": d.Writes, "bytes_in": d.LineIn, "bytes_out": d.LineOut,
				"connects": d.Connects, "refused": d.Refused, "half_duplex_waits": d.HalfDuplex, "duty_cycle_waits": d.DutyCycle,
			} {
				count(descLine, n, f.Name, event)
			}
		}
	}
	s := c.h.Status()
	for table, n := range map[string]int{
		"pit": s.Tables.PIT, "pit_records": s.Tables.PITRecords, "subscriptions": s.Tables.Subscriptions,
		"subscribers": s.Tables.Subscribers, "producers": s.Tables.Producers, "sleepers": s.Tables.Sleepers,
		"held_frames": s.Tables.HeldFrames,
	} {
		gauge(descTables, float64(n), table)
	}
	for event, n := range map[string]uint64{
		"store_hit": s.Totals.StoreHits, "merged": s.Totals.Merged, "forwarded": s.Totals.Forwarded, "suppressed": s.Totals.Suppressed,
		"satisfied": s.Totals.Satisfied, "returned": s.Totals.Returned, "pushed": s.Totals.Pushed, "held": s.Totals.Held,
		"expired": s.Totals.Expired, "repeated": s.Totals.Repeated, "repeats_spared": s.Totals.RepeatsSpared,
		"ignored": s.Totals.Ignored, "timers_refused": s.Totals.TimersRefused,
	} {
		count(descEvents, n, event)
	}
	gauge(descStore, float64(s.Store.Names), "names")
	gauge(descStore, float64(s.Store.InMemory), "contents_in_memory")
	gauge(descStore, float64(s.Store.LogBytes), "memory_bytes")
	gauge(descStore, float64(s.Store.DiskBytes), "disk_bytes")
	gauge(descStore, float64(s.Store.Hours), "hours")
	for cause, n := range s.Store.NotKept {
		count(descNotKept, n, cause)
	}
	for _, m := range s.Store.Mirrors {
		gauge(descMirror, float64(m.Names), m.Prefix, "names")
		gauge(descMirror, float64(m.Copied), m.Prefix, "copied")
		gauge(descMirror, float64(m.Behind), m.Prefix, "behind")
		gauge(descMirror, float64(m.Lost), m.Prefix, "lost")
	}
	count(descJournal, s.PluginJournal.Lost)
	for _, p := range c.h.plugins.List() {
		for limit, n := range p.Limits {
			count(descLimits, n, p.Name, limit)
		}
	}
	for plugin, list := range c.h.plugins.Series() {
		for _, s := range list {
			if s.Gauge {
				gauge(descGauge, s.Value, plugin, s.Name)
			} else {
				count(descCount, uint64(s.Value), plugin, s.Name)
			}
		}
	}
}
