package cli

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// shells are those that completion can write a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script by which a shell completes commands, flags, pipelines and formats",
		Long: "Prints the script for bash, zsh, fish or powershell. Names of pipelines come from the configuration that -c names.\n" +
			"bash needs the package bash-completion; zsh needs compinit (autoload -U compinit; compinit).",
		Example: "  source <(cdcbridge completion bash)                                                # this shell alone\n" +
			"  cdcbridge completion bash > /etc/bash_completion.d/cdcbridge\n" +
			"  cdcbridge completion zsh > \"${fpath[1]}/_cdcbridge\"\n" +
			"  cdcbridge completion fish > ~/.config/fish/completions/cdcbridge.fish\n" +
			"  cdcbridge completion powershell | Out-String | Invoke-Expression",
		Args:                  usage(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs:             shells,
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, args []string) error { return writeCompletion(cmd.Root(), args[0], a.out) },
	}
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	}
	return root.GenPowerShellCompletionWithDesc(w)
}

// completeArguments says what the values of arguments and flags may be, and what help of cobra's own lacks.
func (a *app) completeArguments(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Example = "  cdcbridge help snapshot"
		}
	}
	a.completeFlags(root)
}

// completeFlags walks the commands. A flag that exists and is met once cannot be refused, so there is no error to handle.
func (a *app) completeFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if complete := a.valuesOf(cmd.Name(), f); complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete)
		}
	})
	for _, c := range cmd.Commands() {
		a.completeFlags(c)
	}
}

// valuesOf is what completes a flag of a command, nil for one whose value is free.
func (a *app) valuesOf(command string, f *pflag.Flag) cobra.CompletionFunc {
	var words []string
	switch f.Name {
	case "config":
		return cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
	case "pipeline", "tables":
		return a.completePipelines
	case "output", "input":
		words = strings.Split(f.Value.Type(), "|")
	case "mode":
		words = []string{"upsert", "changelog"}
	case "start":
		words = []string{"earliest", "latest"}
	case "from":
		words = []string{"earliest", "latest"}
		if command == "convert" {
			words = a.formatNames()
		}
	case "to":
		words = []string{"earliest", "latest", "timestamp=", "offsets="}
		if command == "convert" {
			words = a.formatNames()
		}
	case "format":
		words = a.formatNames()
	default:
		return nil
	}
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

func (a *app) formatNames() []string {
	names := make([]string, 0, len(a.registry.Formats))
	for _, k := range a.registry.Formats {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}

// completePipelines offers the names in the configuration. One that cannot be read has none, and says so elsewhere.
func (a *app) completePipelines(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	cfg, err := a.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]cobra.Completion, 0, len(cfg.Pipelines))
	for i := range cfg.Pipelines {
		names = append(names, cfg.Pipelines[i].Spec.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// firstIsPipeline completes the first argument of a command that acts on one pipeline.
func (a *app) firstIsPipeline(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completePipelines(cmd, args, typed)
}
