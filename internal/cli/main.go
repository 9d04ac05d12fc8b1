// Package cli is the command line, one file a command.
//
// Exit codes: 0 done, 1 something failed while running, 2 the command line is wrong, 3 the configuration is wrong or a
// check found what would stop the daemon.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cdcbridge/internal/config"
	"cdcbridge/internal/fault"
)

// Exit codes of the process.
const (
	exitOK      = 0
	exitFailure = 1 // something failed while running
	exitUsage   = 2 // the command line is wrong
	exitConfig  = 3 // the configuration is wrong, or a check found a problem
)

// app is what the commands share.
type app struct {
	registry   config.Registry
	version    string
	configPath string
	in         io.Reader
	out, err   io.Writer
	terminal   func(io.Writer) int // width of the terminal that a writer is, 0 for none; nil: ask the system
	state      requestState        // where requests go
	committed  checkpoints         // of the pipelines
	states     stateRecords        // of the pipelines too, record by record
}

// Main runs the command line and returns the process's exit code.
func Main(reg config.Registry, version string, args []string) int {
	return Run(reg, version, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, args)
}

// Streams are where a command reads and prints.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run is Main with other streams than the process's.
func Run(reg config.Registry, version string, s Streams, args []string) int {
	return execute(&app{registry: reg, version: version, in: s.In, out: s.Out, err: s.Err, state: kafkaState{}, committed: kafkaState{}, states: kafkaState{}}, args)
}

func execute(a *app, args []string) int {
	a.registry.Version = a.version
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err != nil {
		a.explain(err)
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cdcbridge",
		Short: "Database changes into compacted Kafka topics, exactly once",
		Long: "cdcbridge reads row changes from databases and writes them as keyed records and tombstones\n" +
			"into compacted Kafka topics; rows and source position share one Kafka transaction.\n\n" +
			"Exit codes: 0 done, 1 failed while running, 2 wrong command line, 3 wrong configuration or failed check.",
		Example: "  cdcbridge validate\n" +
			"  cdcbridge run -c /etc/cdcbridge/cdcbridge.yaml\n" +
			"  cdcbridge status -o json",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			text += ", did you mean " + near[0] + "?"
		}
		return usageError{errors.New(text)}
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "cdcbridge.yaml", "configuration file")
	root.AddCommand(
		a.initCommand(), a.runCommand(), a.validateCommand(), a.statusCommand(), a.inspectCommand(), a.snapshotCommand(), a.pauseCommand(), a.resumeCommand(), a.resetCommand(), a.stateCommand(),
		a.convertCommand(), a.ddlCommand(), a.versionCommand(), a.completionCommand(),
	)
	a.completeArguments(root)
	return root
}

// load reads the configuration file.
func (a *app) load() (*config.Config, error) { return config.Load(a.configPath, a.registry) }

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage makes an argument check whose error is a usageError.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// errChecks says that a check has printed its findings and some are problems.
var errChecks = errors.New("the checks above found problems")

func exitCode(err error) int {
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, errChecks), fault.Is(err, fault.Config):
		return exitConfig
	}
	return exitFailure
}

// explain prints an error for a person: what happened, then what to do, then where to read more.
func (a *app) explain(err error) {
	var wrong usageError
	var text strings.Builder
	f := fault.As(err)
	switch {
	case errors.Is(err, errChecks):
	case errors.As(err, &wrong):
		fmt.Fprintf(&text, "cdcbridge: %s\nRun cdcbridge --help for the commands and flags.\n", err)
	case f == nil:
		fmt.Fprintf(&text, "cdcbridge: %s\n", err)
	default:
		fmt.Fprintf(&text, "cdcbridge: %s\n", trimHint(err, f))
		if f.Hint != "" {
			fmt.Fprintf(&text, "What to do: %s\n", f.Hint)
		}
		fmt.Fprintf(&text, "More: %s\n", docOf(string(f.Code)))
	}
	_, _ = io.WriteString(a.err, text.String()) // the exit code still tells, and there is nowhere else to say it
}

// trimHint renders err without the hint at its end, which is printed apart.
func trimHint(err error, f *fault.Fault) string {
	if f.Hint == "" {
		return err.Error()
	}
	return strings.TrimSuffix(err.Error(), " ("+f.Hint+")")
}

// outputFormat is the flag -o.
type outputFormat string

const (
	outputTable outputFormat = "table" // for people; "text" is understood too
	outputJSON  outputFormat = "json"
)

// String implements pflag.Value.
func (o *outputFormat) String() string { return string(*o) }

// Set implements pflag.Value.
func (o *outputFormat) Set(s string) error {
	switch s {
	case string(outputTable), "text":
		*o = outputTable
	case string(outputJSON):
		*o = outputJSON
	default:
		return errors.New("must be table or json")
	}
	return nil
}

// Type implements pflag.Value.
func (o *outputFormat) Type() string { return "table|json" }

// printJSON prints a document for programs. Texts in it stay as they are, for it goes into no HTML.
func (a *app) printJSON(doc any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
