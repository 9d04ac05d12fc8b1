package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/internal/daemon"
	"cdcbridge/internal/fault"
)

func (a *app) statusCommand() *cobra.Command {
	output := outputTable
	url, offsets := "", false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask a running daemon how its pipelines are",
		Long:  "Reads /status of the daemon that runs with this configuration, or at --url.",
		Example: "  cdcbridge status\n" +
			"  cdcbridge status --offsets                  # each partition of the topics that are read\n" +
			"  cdcbridge status --url http://db7:8083 -o json",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				cfg, err := a.load()
				if err != nil {
					return err
				}
				url = localURL(cfg.HTTP.Listen)
			}
			body, s, err := askStatus(cmd.Context(), url)
			if err != nil {
				return err
			}
			if output == outputJSON {
				_, err = a.out.Write(body)
				return err
			}
			return printStatus(a.out, s, time.Now(), offsets)
		},
	}
	cmd.Flags().VarP(&output, "output", "o", "how to print")
	cmd.Flags().BoolVar(&offsets, "offsets", false, "list each partition of the topics that are read, however many")
	cmd.Flags().StringVar(&url, "url", "", "address of the daemon, for example http://127.0.0.1:8083 (default http.listen of the configuration)")
	return cmd
}

// localURL is where a listener can be reached from this machine.
func localURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// maxStatusBytes bounds what is read from whatever answers at the address.
const maxStatusBytes = 16 << 20

// askStatus gets the status document of the daemon at url.
func askStatus(ctx context.Context, url string) ([]byte, *daemon.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	op := "asking the daemon"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/status", nil)
	if err != nil {
		return nil, nil, usageError{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, fault.New(fault.Unreachable, op, err, "Check that the daemon runs and that http.listen of its configuration is this address.")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatusBytes))
	if err != nil {
		return nil, nil, fault.New(fault.Unreachable, op, err, "Try again.")
	}
	var s daemon.Status
	if err := json.Unmarshal(body, &s); err != nil || resp.StatusCode != http.StatusOK {
		return nil, nil, fault.New(fault.Unreachable, op, fmt.Errorf("%s answered %s and no status document", url, resp.Status), "Something else than cdcbridge listens there; check the address.")
	}
	return body, &s, nil
}

// printStatus writes the page for people. offsets lists every partition.
func printStatus(w io.Writer, s *daemon.Status, now time.Time, offsets bool) error {
	var page bytes.Buffer
	fmt.Fprintf(&page, "cdcbridge %s, up %s, %s\n\n", s.Version, age(now.Sub(s.StartedAt)), readyWord(s.Ready))
	printReload(&page, s.Reload)
	t := tabwriter.NewWriter(&page, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PIPELINE\tSTATE\tSINCE\tLAG\tCHANGES\tCOMMITS\tRESTARTS\tPOSITION")
	for i := range s.Pipelines {
		p := &s.Pipelines[i]
		lag := "-"
		if p.LagSeconds != nil {
			lag = age(time.Duration(*p.LagSeconds * float64(time.Second)))
		}
		restarts := uint64(0)
		for _, n := range p.Restarts {
			restarts += n
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n",
			p.Name, p.State, age(now.Sub(p.Since)), lag, p.Counters.Changes, p.Counters.Commits, restarts, orDash(p.Position))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printSnapshots(&page, s.Pipelines); err != nil {
		return err
	}
	if err := printOffsets(&page, s.Pipelines, offsets); err != nil {
		return err
	}
	for i := range s.Pipelines {
		p := &s.Pipelines[i]
		if p.RetainedLimitBytes > 0 && p.RetainedBytes > p.RetainedLimitBytes/2 {
			fmt.Fprintf(&page, "\n%s: the server keeps %d MiB of log for it, of %d MiB at most\n", p.Name, p.RetainedBytes>>20, p.RetainedLimitBytes>>20)
		}
		if p.Server != "" {
			fmt.Fprintf(&page, "\n%s: reads from %s\n", p.Name, p.Server)
		}
		if p.Code == "" {
			continue
		}
		fmt.Fprintf(&page, "\n%s [%s] %s\n", p.Name, p.Code, p.Error)
		if p.Hint != "" {
			fmt.Fprintf(&page, "  %s\n", p.Hint)
		}
		fmt.Fprintf(&page, "  More: %s\n", docOf(p.Code))
	}
	_, err := page.WriteTo(w)
	return err
}

// printSnapshots lists the tables whose snapshot is not over, and counts the others.
func printSnapshots(page *bytes.Buffer, pipelines []daemon.PipelineStatus) error {
	t := tabwriter.NewWriter(page, 0, 0, 2, ' ', 0)
	listed := false
	for i := range pipelines {
		done := 0
		for _, s := range pipelines[i].Snapshots {
			if s.Status == capture.SnapshotDone {
				done++
				continue
			}
			if !listed {
				fmt.Fprintln(t, "\nPIPELINE\tTABLE\tSNAPSHOT\tPROGRESS")
				listed = true
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", pipelines[i].Name, s.Table, s.Status, s)
		}
		if done > 0 {
			if err := t.Flush(); err != nil {
				return err
			}
			fmt.Fprintf(page, "\n%s: tables whose snapshot is done: %d\n", pipelines[i].Name, done)
			listed = false
		}
	}
	return t.Flush()
}

func readyWord(ready bool) string {
	if ready {
		return "ready"
	}
	return "not ready"
}

// age rounds a span for people.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
