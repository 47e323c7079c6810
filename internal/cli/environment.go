package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
)

// target are the flags that commands about environments share.
type target struct {
	project, url, output string
}

func (t *target) bind(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVarP(&t.project, "project", "p", "", "project (or BERTH_PROJECT)")
	f.StringVar(&t.url, "url", "", "address of the server (or BERTH_URL); the one of the last login when left out")
	f.StringVarP(&t.output, "output", "o", "table", "table, json or yaml")
}

// client checks the shared flags and returns a client.
func (t *target) client(cmd *cobra.Command) (*api.Client, error) {
	if t.project = cmp.Or(t.project, environ(cmd, "BERTH_PROJECT")); t.project == "" {
		return nil, usagef("Name the project with -p, or set BERTH_PROJECT.")
	}
	return t.anyClient(cmd)
}

// anyClient is client for commands that may do without a project.
func (t *target) anyClient(cmd *cobra.Command) (*api.Client, error) {
	if t.output != "table" && t.output != "json" && t.output != "yaml" {
		return nil, usagef("-o must be table, json or yaml; you gave %q.", t.output)
	}
	return newClient(cmd)
}

// print writes v in the form asked for; table writes it for people.
func (t *target) print(cmd *cobra.Command, v any, table func(w io.Writer)) error {
	switch t.output {
	case "json":
		return printJSON(cmd.OutOrStdout(), v)
	case "yaml":
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
		if text, err = yaml.JSONToYAML(text); err != nil {
			return fmt.Errorf("writing the answer: %w", err)
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	table(w)
	return w.Flush()
}

func newEnvironmentCommand() *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{Use: "env", Aliases: []string{"environment", "environments"}, Short: "Create, deploy, watch and destroy environments"}
	t.bind(cmd)
	cmd.AddCommand(
		newEnvCreate(t), newEnvUpdate(t), newEnvList(t), newEnvShow(t), newEnvDelete(t), newEnvOutputs(t), newEnvLogs(t), newEnvCancel(t),
		newEnvStart(t, "deploy", "Make the environment what its template and variables say"),
		newEnvStart(t, "retry", "Redo what did not succeed in the last run"),
		newEnvStart(t, "destroy", "Remove everything the environment made"),
		newEnvPlan(t),
	)
	return cmd
}

// parseVars reads name=value pairs.
func parseVars(pairs []string) ([]api.Variable, error) {
	var out []api.Variable
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usagef("--var must have the form name=value; you gave %q.", p)
		}
		out = append(out, api.Variable{Name: name, ValueType: "text", Value: &value})
	}
	return out, nil
}

// environmentFile is the content of -f: what create takes, as YAML or JSON.
func readEnvironmentFile(cmd *cobra.Command, path string) (api.CreateEnvironment, error) {
	var in api.CreateEnvironment
	var text []byte
	var err error
	if path == "-" {
		text, err = io.ReadAll(cmd.InOrStdin())
	} else {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return in, usagef("Reading %s: %s", path, err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return in, usagef("Reading %s: %s", path, err)
	}
	dec := json.NewDecoder(strings.NewReader(string(asJSON)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, usagef("Reading %s: %s", path, err)
	}
	return in, nil
}

func newEnvCreate(t *target) *cobra.Command {
	var in api.CreateEnvironment
	var vars []string
	var file string
	var deploy, wait bool
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create an environment, a draft",
		Example: "  berth env create ecs-1 -p demo --template ecs --version v1 --var container_port=80\n" +
			"  berth env create -p demo -f environment.yaml --deploy --wait",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			req := in
			if file != "" {
				if req, err = readEnvironmentFile(cmd, file); err != nil {
					return err
				}
				if in.Template != "" {
					req.Template = in.Template
				}
				if in.Version != "" {
					req.Version = in.Version
				}
			}
			if len(args) == 1 {
				req.Name = args[0]
			}
			more, err := parseVars(vars)
			if err != nil {
				return err
			}
			req.Variables = mergeVariables(req.Variables, more, nil)
			e, err := client.CreateEnvironment(cmd.Context(), t.project, req)
			if err != nil {
				return err
			}
			if !deploy {
				return t.print(cmd, e, func(w io.Writer) { describeEnvironment(w, e) })
			}
			return startAndWait(cmd, client, t, e.Name, "deploy", wait)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Template, "template", "", "environment template")
	f.StringVar(&in.Version, "version", "", "version of the template to stay with; when left out, each deploy uses the newest active one")
	f.StringArrayVar(&vars, "var", nil, "input variable as name=value; may be repeated")
	f.StringVarP(&file, "file", "f", "", "file with name, template, version and variables (YAML or JSON); - is standard input")
	f.BoolVar(&deploy, "deploy", false, "deploy it, too")
	f.BoolVar(&wait, "wait", false, "with --deploy: wait until it is deployed")
	return cmd
}

// mergeVariables returns have with those of set replaced where they stand, or added, and those of drop left out.
func mergeVariables(have, set []api.Variable, drop []string) []api.Variable {
	var out []api.Variable
	for _, v := range have {
		if !slices.Contains(drop, v.Name) {
			out = append(out, v)
		}
	}
	for _, v := range set {
		i := slices.IndexFunc(out, func(o api.Variable) bool { return o.Name == v.Name })
		if i < 0 {
			out = append(out, v)
		} else {
			out[i] = v
		}
	}
	return out
}

func newEnvUpdate(t *target) *cobra.Command {
	var versionName, file string
	var follow bool
	var vars, unset []string
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change the version or the variables that the next deploy will use",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			set, err := parseVars(vars)
			if err != nil {
				return err
			}
			e, err := client.Environment(cmd.Context(), t.project, args[0])
			if err != nil {
				return err
			}
			var in api.UpdateEnvironment
			if file != "" {
				content, err := readEnvironmentFile(cmd, file)
				if err != nil {
					return err
				}
				set = mergeVariables(content.Variables, set, unset)
				versionName = cmp.Or(versionName, content.Version)
			}
			if versionName != "" {
				in.Version = &versionName
			}
			if cmd.Flags().Changed("follow-latest") {
				in.FollowLatest = &follow
			}
			if len(set)+len(unset) > 0 {
				merged := mergeVariables(e.Variables, set, unset)
				in.Variables = &merged
			}
			if e, err = client.UpdateEnvironment(cmd.Context(), t.project, args[0], in, e.Revision); err != nil {
				return err
			}
			return t.print(cmd, e, func(w io.Writer) { describeEnvironment(w, e) })
		},
	}
	cmd.Flags().StringVar(&versionName, "version", "", "version of the template to stay with")
	cmd.Flags().BoolVar(&follow, "follow-latest", false, "let each deploy use the newest active version of the template; =false stays with the version it has")
	cmd.Flags().StringArrayVar(&vars, "var", nil, "set an input variable, name=value; may be repeated")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with version and variables to set (YAML or JSON); - is standard input")
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "remove an input variable; may be repeated")
	return cmd
}

func newEnvList(t *target) *cobra.Command {
	var f api.EnvironmentFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the environments of a project",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			items := []api.Environment{}
			f.Limit = 100
			for {
				page, err := client.Environments(cmd.Context(), t.project, f)
				if err != nil {
					return err
				}
				items = append(items, page.Items...)
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			return t.print(cmd, items, func(w io.Writer) {
				line(w, "NAME", "STATUS", "TEMPLATE", "VERSION", "OWNER", "ENDPOINT")
				for _, e := range items {
					line(w, e.Name, e.Status, e.Template, e.Version, e.Owner, e.Endpoint)
				}
			})
		},
	}
	cmd.Flags().StringVarP(&f.Query, "query", "q", "", "part of the name, template or owner")
	cmd.Flags().StringSliceVar(&f.Status, "status", nil, "only these statuses")
	cmd.Flags().StringVar(&f.Owner, "owner", "", "only of this owner (e-mail address)")
	cmd.Flags().StringVar(&f.Template, "template", "", "only of this template")
	return cmd
}

func line(w io.Writer, cells ...string) {
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

func newEnvShow(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show an environment",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			e, err := client.Environment(cmd.Context(), t.project, args[0])
			if err != nil {
				return err
			}
			return t.print(cmd, e, func(w io.Writer) { describeEnvironment(w, e) })
		},
	}
}

func describeEnvironment(w io.Writer, e api.Environment) {
	line(w, "Name:", e.Name)
	line(w, "Project:", e.Project)
	status := e.Status
	if !e.StatusSince.IsZero() {
		status += " since " + e.StatusSince.Local().Format(time.DateTime)
	}
	line(w, "Status:", status)
	if e.Cause != "" {
		line(w, "Cause:", e.Cause)
	}
	version := e.Version
	if e.FollowLatest {
		version += " (follows the latest)"
	}
	line(w, "Template:", e.Template+" "+version)
	line(w, "Owner:", e.Owner)
	if e.Endpoint != "" {
		line(w, "Endpoint:", e.Endpoint)
	}
	if e.Sandbox {
		line(w, "Note:", "runs in the sandbox on the server, not in AWS")
	}
	for _, v := range e.Variables {
		value := "(hidden)"
		if v.Value != nil {
			value = *v.Value
		}
		line(w, "Variable:", v.Name+" = "+value)
	}
	for _, r := range e.Resources {
		line(w, "Resource:", r.Name+": "+r.Status+", "+count(r.Objects, "object"))
		for _, d := range r.InDoubt {
			line(w, "In doubt:", fmt.Sprintf("%s %s: %s", d.Address, d.ID, d.Reason))
		}
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func newEnvDelete(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a draft, or an environment that is destroyed",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			return client.DeleteEnvironment(cmd.Context(), t.project, args[0])
		},
	}
}

func newEnvOutputs(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "outputs NAME",
		Short: "Show what the environment's resources tell about themselves",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			outputs, err := client.Outputs(cmd.Context(), t.project, args[0])
			if err != nil {
				return err
			}
			return t.print(cmd, outputs, func(w io.Writer) {
				line(w, "RESOURCE", "OUTPUT", "VALUE")
				for _, resource := range sortedKeys(outputs) {
					for _, name := range sortedKeys(outputs[resource]) {
						line(w, resource, name, outputText(outputs[resource][name]))
					}
				}
			})
		},
	}
}

func outputText(o api.Output) string {
	var text string
	switch {
	case o.Value == nil:
		return "(hidden)"
	case json.Unmarshal(o.Value, &text) == nil:
		return text
	}
	return string(o.Value)
}

func newEnvCancel(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel NAME",
		Short: "Stop the run that is going on, as soon as that is safe",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			runs, err := client.Runs(cmd.Context(), t.project, args[0])
			if err != nil {
				return err
			}
			if len(runs) == 0 || runs[0].FinishedAt != nil {
				return &api.Error{Status: 409, Code: "run_not_cancelable", Detail: "No run of this environment is going on, so there is nothing to cancel."}
			}
			r, err := client.Cancel(cmd.Context(), t.project, args[0], runs[0].Number)
			if err != nil {
				return err
			}
			return t.print(cmd, r, func(w io.Writer) { line(w, fmt.Sprintf("Run %d is being canceled.", r.Number)) })
		},
	}
}

func newEnvLogs(t *target) *cobra.Command {
	var number int
	var resource string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the log of a run, as OpenTofu printed it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.client(cmd)
			if err != nil {
				return err
			}
			if number == 0 {
				runs, err := client.Runs(cmd.Context(), t.project, args[0])
				if err != nil {
					return err
				}
				if len(runs) == 0 {
					return &api.Error{Status: 404, Code: "run_not_found", Detail: "This environment has no run yet."}
				}
				number = runs[0].Number
			}
			return printLogs(cmd, client, t.project, args[0], number, resource, follow)
		},
	}
	cmd.Flags().IntVar(&number, "run", 0, "number of the run; the newest when left out")
	cmd.Flags().StringVar(&resource, "resource", "", "only of this resource")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run has ended")
	return cmd
}

// printLogs prints the logs of a run's steps one after the other, in the order in which they were started.
func printLogs(cmd *cobra.Command, client *api.Client, project, name string, number int, resource string, follow bool) error {
	printed := map[string]bool{}
	show := func(r api.Run) error {
		for _, s := range r.Steps {
			if s.Attempt == 0 || printed[s.Resource] || (resource != "" && s.Resource != resource) {
				continue
			}
			printed[s.Resource] = true
			if err := printLog(cmd, client, project, name, number, s.Resource, follow); err != nil {
				return err
			}
		}
		return nil
	}
	r, err := client.Run(cmd.Context(), project, name, number)
	if err != nil {
		return err
	}
	if !follow || r.FinishedAt != nil {
		return show(r)
	}
	var failed error
	_, err = client.WatchRun(cmd.Context(), project, name, number, func(r api.Run) {
		if failed == nil {
			failed = show(r)
		}
	})
	return errors.Join(failed, err)
}

func printLog(cmd *cobra.Command, client *api.Client, project, name string, number int, resource string, follow bool) error {
	log, err := client.Log(cmd.Context(), project, name, number, resource, 0, follow)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == "log_not_found" {
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	if _, err := io.Copy(cmd.OutOrStdout(), log); err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	return nil
}
