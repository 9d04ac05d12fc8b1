package daemon

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloadMetrics are the metrics of the configuration. Before the first reload it is the one of the start that is in effect.
type reloadMetrics struct{ reloads, successful, success, needsRestart *prometheus.Desc }

func newReloadMetrics() reloadMetrics {
	return reloadMetrics{
		reloads:      desc("config_reloads_total", "Reloads of the configuration, by whether they took effect or were refused.", "result"),
		successful:   desc("config_last_reload_successful", "1 when the file that was read last is in effect, 0 when it was refused."),
		success:      desc("config_last_reload_success_timestamp_seconds", "When the configuration that is in effect was read."),
		needsRestart: desc("config_restart_needed_settings", "Settings that differ from those of the start and take effect only after a restart."),
	}
}

func (m *reloadMetrics) describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.reloads, m.successful, m.success, m.needsRestart} {
		ch <- d
	}
}

func (m *reloadMetrics) collect(ch chan<- prometheus.Metric, s *Status) {
	r := s.Reload
	if r == nil {
		r = &ReloadStatus{}
	}
	at := s.StartedAt
	if r.LastApplied != nil {
		at = *r.LastApplied
	}
	ch <- prometheus.MustNewConstMetric(m.reloads, prometheus.CounterValue, float64(r.Applied), string(ReloadApplied))
	ch <- prometheus.MustNewConstMetric(m.reloads, prometheus.CounterValue, float64(r.Refused), string(ReloadRefused))
	ch <- prometheus.MustNewConstMetric(m.successful, prometheus.GaugeValue, truth(r.Result != ReloadRefused))
	ch <- prometheus.MustNewConstMetric(m.success, prometheus.GaugeValue, float64(at.UnixMicro())/float64(time.Second/time.Microsecond))
	ch <- prometheus.MustNewConstMetric(m.needsRestart, prometheus.GaugeValue, float64(len(r.NeedsRestart)))
}
