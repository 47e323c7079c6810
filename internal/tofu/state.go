package tofu

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// StateFile is what Berth reads of a state file (format version 4).
type StateFile struct {
	Version   int                    `json:"version"`
	Serial    uint64                 `json:"serial"`
	Lineage   string                 `json:"lineage"`
	Outputs   map[string]StateOutput `json:"outputs"`
	Resources []StateResource        `json:"resources"`
}

// StateOutput is an output value as a state file and `output -json` hold it.
type StateOutput struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive bool            `json:"sensitive"`
}

// StateResource is one resource block with its instances.
type StateResource struct {
	Module    string          `json:"module"`
	Mode      string          `json:"mode"`
	Type      string          `json:"type"`
	Name      string          `json:"name"`
	Provider  string          `json:"provider"`
	Instances []StateInstance `json:"instances"`
}

// StateInstance is one object. Deposed is set for an older object that is still to be deleted.
type StateInstance struct {
	IndexKey   json.RawMessage            `json:"index_key"`
	Deposed    string                     `json:"deposed"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

// Object is a managed object in a state.
type Object struct {
	Address string
	Type    string
	ID      string
	Deposed bool
}

// ParseState reads a state file; empty data is an empty state.
func ParseState(data []byte) (*StateFile, error) {
	if len(strings.TrimSpace(string(data))) == 0 {
		return &StateFile{Version: 4}, nil
	}
	var s StateFile
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading a state: %w", err)
	}
	if s.Version != 4 {
		return nil, fmt.Errorf("reading a state: format version %d is not known (only 4 is; an encrypted state has none)", s.Version)
	}
	return &s, nil
}

// Objects lists the managed objects by address.
func (s *StateFile) Objects() []Object {
	var out []Object
	for _, r := range s.Resources {
		if r.Mode != "managed" {
			continue
		}
		for _, i := range r.Instances {
			out = append(out, Object{Address: r.address(i), Type: r.Type, ID: i.id(), Deposed: i.Deposed != ""})
		}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Address < out[b].Address })
	return out
}

// Providers lists the provider source addresses ("registry.opentofu.org/hashicorp/aws") of the state's resources.
func (s *StateFile) Providers() []string {
	seen := map[string]bool{}
	var out []string
	for _, r := range s.Resources {
		_, rest, ok := strings.Cut(r.Provider, `provider["`)
		if !ok {
			continue
		}
		source, _, ok := strings.Cut(rest, `"]`)
		if ok && !seen[source] {
			seen[source] = true
			out = append(out, source)
		}
	}
	sort.Strings(out)
	return out
}

func (r StateResource) address(i StateInstance) string {
	addr := r.Type + "." + r.Name
	if r.Module != "" {
		addr = r.Module + "." + addr
	}
	if len(i.IndexKey) > 0 && string(i.IndexKey) != "null" {
		addr += "[" + hclKey(i.IndexKey) + "]"
	}
	return addr
}

// hclKey writes an instance key as addresses show it: JSON's escapes, with template markers doubled.
func hclKey(key json.RawMessage) string {
	var s string
	if json.Unmarshal(key, &s) != nil {
		return string(key)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return string(key)
	}
	q := strings.TrimSuffix(b.String(), "\n")
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(q)
}

// id is the value the tool reports in its events: the id attribute, else the name.
func (i StateInstance) id() string {
	for _, k := range []string{"id", "name"} {
		var s string
		if raw, ok := i.Attributes[k]; ok && json.Unmarshal(raw, &s) == nil && s != "" {
			return s
		}
	}
	return ""
}
