package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
)

// credentials is the file in which sign-ins are kept, readable by their owner only.
type credentials struct {
	// Current is the address of the server that commands talk to.
	Current string           `json:"current"`
	Servers map[string]login `json:"servers"`
}

type login struct {
	Email string `json:"email"`
	Token string `json:"token"`
}

func credentialsPath() (string, error) {
	if p := os.Getenv("BERTH_CREDENTIALS"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder for settings: %w", err)
	}
	return filepath.Join(dir, "berth", "credentials.json"), nil
}

func readCredentials() (credentials, error) {
	c := credentials{Servers: map[string]login{}}
	p, err := credentialsPath()
	if err != nil {
		return c, err
	}
	text, err := os.ReadFile(p)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading your sign-ins: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s is damaged; remove it and sign in again: %w", p, err)
	}
	return c, nil
}

func (c credentials) write() error {
	p, err := credentialsPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(p), ".credentials-*") // CreateTemp makes it 0600
	if err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(text); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	if err := os.Rename(tmp.Name(), p); err != nil {
		return fmt.Errorf("keeping your sign-in: %w", err)
	}
	return nil
}

// newClient returns a client of the server that was signed in to last, or that --url or BERTH_URL names. BERTH_TOKEN
// replaces the kept token, for scripts.
func newClient(cmd *cobra.Command) (*api.Client, error) {
	c, err := readCredentials()
	if err != nil {
		return nil, err
	}
	url := c.Current
	if v := os.Getenv("BERTH_URL"); v != "" {
		url = v
	}
	if flag := cmd.Flags().Lookup("url"); flag != nil && flag.Value.String() != "" {
		url = flag.Value.String()
	}
	url = strings.TrimSuffix(url, "/")
	if url == "" {
		return nil, usagef("You are not signed in to a server. Run: berth login --url URL --email EMAIL")
	}
	token := os.Getenv("BERTH_TOKEN")
	if token == "" {
		token = c.Servers[url].Token
	}
	return &api.Client{URL: url, Token: token, Agent: "berth-cli/" + version()}, nil
}

// printJSON writes v indented, without escaping what browsers would trip over: this is for terminals and scripts.
func printJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
