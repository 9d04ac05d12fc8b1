package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cdcbridge/capture"
	"cdcbridge/changelog"
	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
	"cdcbridge/upsert"
)

func (a *app) validateCommand() *cobra.Command {
	output := outputTable
	timeout := 30 * time.Second
	offline, old := false, ""
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration, the sources and Kafka, and print what is wrong with its remedy",
		Long: "Loads the configuration, asks every source and the Kafka cluster, changes nothing, and prints each finding\n" +
			"with its remedy, the worst ones last. Remedies of the table are broken into lines; -o json has them whole.\n" +
			"Exit code 3 when a finding would stop the daemon.",
		Example: "  cdcbridge validate\n" +
			"  cdcbridge validate --offline                # the file alone, as in a pull request\n" +
			"  cdcbridge validate -c new.yaml --diff cdcbridge.yaml\n" +
			"  cdcbridge validate -o json | jq '.findings[] | select(.severity == \"problem\")'",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if old != "" {
				return a.diff(ctx, old, output, offline)
			}
			return a.validate(ctx, output, offline)
		},
	}
	cmd.Flags().VarP(&output, "output", "o", "how to print")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long all checks together may take")
	cmd.Flags().BoolVar(&offline, "offline", false, "check the file alone, ask no server")
	cmd.Flags().StringVar(&old, "diff", "", "instead of checking, show what this configuration would change against the one in that file: settings, and tables that come and go")
	return cmd
}

func (a *app) validate(ctx context.Context, output outputFormat, offline bool) error {
	cfg, err := a.load()
	if err != nil {
		var problems config.Problems
		if !errors.As(err, &problems) {
			return err
		}
		return a.report(fileFindings(problems, fault.As(err)), output)
	}
	fs := []finding{{Finding: capture.Finding{Area: "config", Subject: a.configPath, Detail: counted(len(cfg.Pipelines), "pipeline"), Severity: capture.OK}}}
	if !offline {
		for i := range cfg.Pipelines {
			fs = append(fs, check(ctx, &cfg.Pipelines[i])...)
		}
	}
	return a.report(fs, output)
}

func fileFindings(problems config.Problems, ft *fault.Fault) []finding {
	var fs []finding
	for _, p := range problems {
		subject, detail := p.Path, p.Text
		if subject == "" {
			subject = "file"
		}
		if p.Line > 0 {
			detail += fmt.Sprintf(" (line %d)", p.Line)
		}
		fs = append(fs, finding{Finding: capture.Finding{Area: "config", Subject: subject, Detail: detail, Severity: capture.Problem, Code: string(ft.Code), Remedy: ft.Hint}})
	}
	return fs
}

// check asks the source and the cluster of one pipeline. What cannot be looked at is a finding too.
func check(ctx context.Context, p *config.Pipeline) []finding {
	var fs []finding
	add := func(area string, found []capture.Finding, err error) {
		if err != nil {
			found = append(found, unlooked(area, err))
		}
		for _, f := range found {
			fs = append(fs, finding{Pipeline: p.Spec.Name, Finding: f})
		}
	}
	checker := p.Spec.Source.Checker(capture.Env{Pipeline: p.Spec.Name, Log: slog.New(slog.DiscardHandler), Snapshot: p.Spec.Snapshot.Reads(), Unread: p.Spec.Snapshot.Unread()})
	found, err := checker.Check(ctx)
	add(p.SourceType, found, err)
	var tables []changelog.Table
	if lister, ok := checker.(capture.TableLister); ok && err == nil && !hasProblem(found) {
		if tables, err = listTables(ctx, p, lister); err != nil {
			add(p.SourceType, nil, err)
		}
	}
	add("tables", upsert.Unwritable(p.Spec.Name, p.Spec.Outputs, p.Spec.Tables, tables), nil)
	add("outputs", upsert.Undecided(p.Spec.Outputs), nil)
	sink := upsert.NewSink(p.Spec.Kafka, p.Spec.Delivery, upsert.Identity{Pipeline: p.Spec.Name}, slog.New(slog.DiscardHandler))
	uses := upsert.Uses(p.Spec.Name, p.Spec.Outputs, tables)
	if p.Spec.ProgressTopic != "" {
		uses = append(uses, upsert.ProgressUse(p.Spec.ProgressTopic))
	}
	if parker, ok := p.Spec.Source.(capture.Parker); ok && parker.ParksIn() != "" {
		uses = append(uses, upsert.DeadLetterUse(parker.ParksIn(), p.Spec.Outputs))
	}
	sourceErr := err
	found, err = sink.Check(ctx, uses)
	if reader, ok := p.Spec.Source.(targetReader); ok && reader.ReadsTarget() && fault.CodeOf(err) != "" && fault.CodeOf(err) == fault.CodeOf(sourceErr) {
		err = nil // the source has met the same in the same cluster, and has said so
	}
	add("kafka", found, errors.Join(err, sink.Close(ctx)))
	return fs
}

// targetReader is implemented by configs of sources that read Kafka.
type targetReader interface {
	// ReadsTarget reports whether they read the cluster that the pipeline writes to.
	ReadsTarget() bool
}

func hasProblem(fs []capture.Finding) bool {
	return slices.ContainsFunc(fs, func(f capture.Finding) bool { return f.Severity == capture.Problem })
}

func unlooked(area string, err error) capture.Finding {
	f := capture.Finding{Area: area, Subject: "check", Detail: err.Error(), Severity: capture.Problem}
	if ft := fault.As(err); ft != nil {
		f.Code, f.Remedy = string(ft.Code), ft.Hint
		f.Detail = trimHint(err, ft)
	}
	return f
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
