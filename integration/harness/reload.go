package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Reload is what /status says of the last reload of the configuration.
type Reload struct {
	At     time.Time `json:"at"`
	Result string    `json:"result"`

	Code  string `json:"code"`
	Error string `json:"error"`

	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
	Retried []string `json:"retried"`

	Settings     []string `json:"settings"`
	NeedsRestart []string `json:"needs_restart"`
}

// Rewrite puts another configuration (YAML without an http section) into the daemon's file, in one step, as an operator's tools do: a file that is
// read while it is written is another matter.
func (d *Daemon) Rewrite(config string) error {
	next := d.Config() + ".new"
	if err := os.WriteFile(next, []byte(config+d.tail), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if err := os.Rename(next, d.Config()); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// Reconfigure is Rewrite, asks for a reload by SIGHUP, and waits until that is over, however it ends.
func (d *Daemon) Reconfigure(ctx context.Context, config string) (Reload, error) {
	if err := d.Rewrite(config); err != nil {
		return Reload{}, err
	}
	before, err := d.lastReload(ctx)
	if err != nil {
		return before, err
	}
	if err := d.Signal(syscall.SIGHUP); err != nil {
		return before, fmt.Errorf("asking for a reload: %w", err)
	}
	for {
		r, err := d.lastReload(ctx)
		if err != nil {
			return r, err
		}
		if r.At.After(before.At) && r.Result != "applying" {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return r, fmt.Errorf("waiting for a reload, last %+v: %w", r, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lastReload is empty before the first one.
func (d *Daemon) lastReload(ctx context.Context) (Reload, error) {
	_, body, err := d.Get(ctx, "/status")
	if err != nil {
		return Reload{}, err
	}
	var s struct {
		Reload Reload `json:"reload"`
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return Reload{}, fmt.Errorf("reading /status: %w: %s", err, body)
	}
	return s.Reload, nil
}
