package rafay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Limits on what a document may hold: aliases make small texts into huge trees.
const (
	maxDepth = 60
	maxNodes = 200_000
)

var errTooLarge = errors.New("the document is too large, or nested too deep")

// nestedKey is what becomes of a map used as the key of a map: a placeholder
// between double braces that was read as YAML.
const nestedKey = "{{ … }}"

// normalise copies a document into maps, lists and plain values alone.
func normalise(doc map[string]any) (map[string]any, error) {
	nodes := 0
	v, err := normaliseValue(doc, 0, &nodes)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

func normaliseValue(value any, depth int, nodes *int) (any, error) {
	if *nodes++; *nodes > maxNodes || depth > maxDepth {
		return nil, errTooLarge
	}
	switch v := value.(type) {
	case nil, string, bool, json.Number, time.Time:
		return value, nil
	case []byte:
		return string(v), nil
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Map:
		return normaliseMap(v, depth, nodes)
	case reflect.Slice, reflect.Array:
		out := make([]any, 0, v.Len())
		for i := range v.Len() {
			item, err := normaliseValue(v.Index(i).Interface(), depth+1, nodes)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return normaliseValue(v.Elem().Interface(), depth+1, nodes)
	default:
		return value, nil
	}
}

func normaliseMap(v reflect.Value, depth int, nodes *int) (any, error) {
	out := make(map[string]any, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		key, ok := scalar(iter.Key().Interface())
		if !ok {
			key = nestedKey
		}
		item, err := normaliseValue(iter.Value().Interface(), depth+1, nodes)
		if err != nil {
			return nil, err
		}
		out[key] = item
	}
	return out, nil
}

// isEmpty reports whether a value holds nothing at all.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		for _, item := range v {
			if !isEmpty(item) {
				return false
			}
		}
		return true
	case []any:
		for _, item := range v {
			if !isEmpty(item) {
				return false
			}
		}
		return true
	}
	return false
}

// scalar is the text of a plain value: 80 is "80", true is "true".
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case time.Time:
		return v.Format(time.RFC3339Nano), true
	case nil:
		return "", false
	}
	v := reflect.ValueOf(value)
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), true
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), true
	case v.CanFloat():
		f := v.Float()
		if math.Abs(f) >= 1e15 {
			return strconv.FormatFloat(f, 'g', -1, 64), true
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	case v.Kind() == reflect.String:
		return v.String(), true
	case v.Kind() == reflect.Map, v.Kind() == reflect.Slice, v.Kind() == reflect.Array, v.Kind() == reflect.Pointer:
		return "", false
	}
	return fmt.Sprint(value), true
}

// asJSON writes a list or map as text.
func asJSON(value any) (string, bool) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "", false
	}
	return string(bytes.TrimSpace(b.Bytes())), true
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// isFractional reports whether a value was a number with a fraction, whose
// last zeros are lost: 1.10 and 1.1 are the same number.
func isFractional(value any) bool {
	if n, ok := value.(json.Number); ok {
		_, err := n.Int64()
		return err != nil
	}
	return value != nil && reflect.ValueOf(value).CanFloat()
}
