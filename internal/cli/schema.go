package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/internal/manifest"
)

// newSchemaCommand needs no server: the schemas are those of this command.
func newSchemaCommand() *cobra.Command {
	var all bool
	var dir string
	cmd := &cobra.Command{
		Use:   "schema KIND | schema --all --dir FOLDER",
		Short: "Print the JSON Schema of documents, for editors",
		Long: "Print the JSON Schema of a kind of document, or with Manifest of files with any kinds. With --all --dir, write all of\n" +
			"them into a folder, as manifest.schema.json and so on.",
		Example:   "  berth schema Manifest > .vscode/berth.schema.json",
		Args:      cobra.RangeArgs(0, 1),
		ValidArgs: strings.Split(manifest.SchemaNames(), ", "),
		RunE: func(cmd *cobra.Command, args []string) error {
			schemas := manifest.Schemas()
			if all {
				if dir == "" || len(args) > 0 {
					return usagef("--all goes with --dir and without a kind.")
				}
				for _, name := range sortedKeys(schemas) {
					file := filepath.Join(dir, strings.ToLower(name)+".schema.json")
					text, err := indented(schemas[name])
					if err != nil {
						return err
					}
					if err := writeFile(file, text); err != nil {
						return err
					}
					fmt.Fprintln(cmd.OutOrStdout(), file)
				}
				return nil
			}
			if len(args) == 0 {
				return usagef("Name a kind, one of %s, or use --all --dir FOLDER.", manifest.SchemaNames())
			}
			name := args[0]
			if !strings.EqualFold(name, manifest.AnyKind) {
				kind, err := parseKind(name)
				if err != nil {
					return err
				}
				name = string(kind)
			} else {
				name = manifest.AnyKind
			}
			text, err := indented(schemas[name])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all kinds")
	cmd.Flags().StringVar(&dir, "dir", "", "with --all: the folder to write to")
	return cmd
}

func indented(raw json.RawMessage) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("writing a schema: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
