package runner

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// editInstances applies edit to the instances of one address in a state file and returns it with the next serial.
// Everything else, also what this version does not know, stays as it is.
func editInstances(data []byte, address string, edit func([]any) []any) ([]byte, error) {
	doc, serial, err := decodeState(data)
	if err != nil {
		return nil, err
	}
	resources, _ := doc["resources"].([]any)
	for i, x := range resources {
		res, _ := x.(map[string]any)
		base := blockAddress(res)
		if res["mode"] != "managed" || (address != base && !strings.HasPrefix(address, base+"[")) {
			continue
		}
		all, _ := res["instances"].([]any)
		var mine, others []any
		for _, inst := range all {
			m, _ := inst.(map[string]any)
			if instanceAddress(base, m["index_key"]) == address {
				mine = append(mine, inst)
			} else {
				others = append(others, inst)
			}
		}
		kept := append(others, edit(mine)...)
		res["instances"] = kept
		if len(kept) == 0 {
			doc["resources"] = append(resources[:i:i], resources[i+1:]...)
		}
		return encodeState(doc, serial+1)
	}
	return nil, fmt.Errorf("editing a state: it has no %s", address)
}

// withSerial returns a state file as it is, under another serial.
func withSerial(data []byte, serial uint64) ([]byte, error) {
	doc, _, err := decodeState(data)
	if err != nil {
		return nil, err
	}
	return encodeState(doc, serial)
}

func decodeState(data []byte) (map[string]any, uint64, error) {
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // numbers must come out as they went in
	if err := dec.Decode(&doc); err != nil {
		return nil, 0, fmt.Errorf("editing a state: %w", err)
	}
	n, _ := doc["serial"].(json.Number)
	serial, err := strconv.ParseUint(n.String(), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("editing a state: serial: %w", err)
	}
	return doc, serial, nil
}

func encodeState(doc map[string]any, serial uint64) ([]byte, error) {
	doc["serial"] = serial
	return json.MarshalIndent(doc, "", "  ")
}

func blockAddress(res map[string]any) string {
	mod, _ := res["module"].(string)
	typ, _ := res["type"].(string)
	name, _ := res["name"].(string)
	if mod != "" {
		return mod + "." + typ + "." + name
	}
	return typ + "." + name
}

func instanceAddress(base string, key any) string {
	switch k := key.(type) {
	case nil:
		return base
	case string:
		return base + "[" + strings.NewReplacer("${", "$${", "%{", "%%{").Replace(jsonQuote(k)) + "]"
	default:
		return fmt.Sprintf("%s[%v]", base, k)
	}
}

func jsonQuote(s string) string { return `"` + jsonEscaped(s, false) + `"` }

// deposedKey makes the eight hexadecimal digits the tool names deposed objects with.
func deposedKey(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:4])
}
