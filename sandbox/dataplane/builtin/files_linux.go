package builtin

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// Names of the files in a task's and a container's directory.
const (
	socketName = "s"
	pidName    = "shim.json"
	recordName = "container.json"
	exitName   = "exit.json"
	logName    = "log"
)

// writeJSON replaces a file whole or not at all.
func writeJSON(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tmp-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close(), os.Rename(f.Name(), file)); err != nil {
		return err
	}
	return nil
}

func readJSON(file string, v any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
