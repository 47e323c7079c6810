package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	duration *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer, a *App) *metrics {
	m := &metrics{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "berth_http_request_duration_seconds", Help: "Server time of requests, by route and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
	}, []string{"route", "status"})}
	r.MustRegister(m.duration, &runCollector{app: a, desc: prometheus.NewDesc("berth_runs", "Runs that have not ended, by status.", []string{"status"}, nil)})
	return m
}

// measure times requests by the pattern that serves them, so that the number of series does not grow with names.
// Streams are left out: they last as long as somebody looks.
func (m *metrics) measure(mux *http.ServeMux, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		begun := time.Now() //nolint:forbidigo // a duration
		next.ServeHTTP(seen, r)
		if w.Header().Get("Content-Type") != "text/event-stream" {
			m.duration.WithLabelValues(pattern, strconv.Itoa(seen.status)).Observe(time.Since(begun).Seconds())
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Flush passes on, for streams.
func (w *statusWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController find what lies below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// runCollector counts when it is asked, so that nothing has to be kept up to date.
type runCollector struct {
	app  *App
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *runCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *runCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the interface has no context
	defer cancel()
	counts, err := c.app.runs.CountActive(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.desc, err)
		return
	}
	for status, n := range counts {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), string(status))
	}
}
