package cli

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"cdcbridge/internal/config"
	"cdcbridge/internal/pipeline"
)

// baseMemory is what the process needs beside the pipelines' budgets: code, connections, some hundred tables, compression buffers.
const baseMemory = 40 << 20

// pipelineMemory is what each pipeline needs beside what it shares: the batch that its source fills, and connections.
const pipelineMemory = 2 << 20

// sharedMemory is what all pipelines together may have in flight: twice what any may have alone, for none takes more than it leaves free.
func sharedMemory(cfg *config.Config) int64 {
	size := int64(pipeline.LeastShared)
	for _, p := range cfg.Pipelines {
		size = max(size, 2*p.Spec.Memory)
	}
	return size
}

// memory tells the garbage collector how much memory the process means to use, so that it works harder near that instead of
// letting the heap double. GOMEMLIMIT in the environment wins.
type memory struct {
	log *slog.Logger

	mu         sync.Mutex
	configured int64 // what the pipelines' budgets ask for, bytes
	set        int64 // the limit as it is; 0: the environment's
}

// limit sets the limit that fits the configuration.
func (m *memory) limit(cfg *config.Config) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	var budgets int64
	for _, p := range cfg.Pipelines {
		budgets += p.Spec.Memory + int64(p.Spec.Snapshot.Readers)*int64(p.Spec.Snapshot.ChunkBytes)
	}
	limit := baseMemory + min(budgets, sharedMemory(cfg)+int64(len(cfg.Pipelines))*pipelineMemory)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.configured = limit
	m.apply(limit)
}

// follow keeps the limit away from what the heap really holds, until ctx ends. Thousands of tables take more than baseMemory, and a collector
// whose limit is below what is in use does nothing but collect: it takes half of the processor and frees nothing.
func (m *memory) follow(ctx context.Context) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-look.C:
			metrics.Read(live)
			m.fit(int64(live[0].Value.Uint64()))
		case <-ctx.Done():
			return
		}
	}
}

// fit raises the limit where it leaves less than half of the live heap, and what is no heap, as room; and takes it back when that is over.
func (m *memory) fit(live int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.set == 0 {
		return
	}
	need := max(m.configured, live+live/2+baseMemory/2)
	if need > m.set || need < m.set-m.set/4 { // not at each breath
		m.apply(need)
	}
}

// apply sets the limit. The lock is held.
func (m *memory) apply(limit int64) {
	m.set = limit
	debug.SetMemoryLimit(limit)
	m.log.Debug("memory limit set", "bytes", limit, "configured", m.configured)
}
