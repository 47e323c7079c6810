package manifest

import (
	"encoding/json"
	"reflect"
	"strings"
)

// schemaDraft is the draft of JSON Schema that the schemas are written in.
const schemaDraft = "https://json-schema.org/draft/2020-12/schema"

// AnyKind is the name of the schema that takes documents of every kind, for files
// that hold several.
const AnyKind = "Manifest"

// Schemas returns the JSON Schema of each kind by its name, and under AnyKind one
// for all of them. Editors complete and check documents with them.
func Schemas() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	var branches []any
	for _, k := range Kinds() {
		s := kindSchema(k)
		branches = append(branches, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": string(k)}}, "required": []string{"kind"}},
			"then": s,
		})
		top := map[string]any{"$schema": schemaDraft, "title": "Berth " + string(k)}
		for key, value := range s {
			top[key] = value
		}
		out[string(k)] = mustJSON(top)
	}
	out[AnyKind] = mustJSON(map[string]any{
		"$schema": schemaDraft, "title": "A document of Berth", "type": "object", "required": []string{"apiVersion", "kind", "metadata"},
		"properties": map[string]any{
			"apiVersion": map[string]any{"const": APIVersion}, "kind": map[string]any{"enum": Kinds()},
		},
		"allOf": branches,
	})
	return out
}

func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("a schema can always be written: " + err.Error())
	}
	return raw
}

func kindSchema(k Kind) map[string]any {
	spec := typeSchema(reflect.TypeOf(k.newSpec()).Elem())
	spec["description"] = "What it is."
	meta := typeSchema(reflect.TypeFor[Metadata]())
	meta["description"] = "Names the object."
	required := []string{"apiVersion", "kind", "metadata"}
	if spec["required"] != nil {
		required = append(required, "spec")
	}
	return map[string]any{
		"type": "object", "additionalProperties": false, "required": required, "description": kindWords(k),
		"properties": map[string]any{
			"apiVersion": map[string]any{"const": APIVersion, "description": "The format."},
			"kind":       map[string]any{"const": string(k), "description": kindWords(k)},
			"metadata":   meta,
			"spec":       spec,
		},
	}
}

func kindWords(k Kind) string {
	switch k {
	case KindProject:
		return "A project: the boundary for members, environments and shared templates."
	case KindRepository:
		return "A git repository that template code is read from."
	case KindConfigContext:
		return "A named bundle of environment variables, files and input variables that steps get."
	case KindStaticResource:
		return "A named bag of known values that templates use like the outputs of a resource."
	case KindResourceTemplate:
		return "A version of a resource template: one module of infrastructure code, and how it is run."
	case KindEnvironmentTemplate:
		return "A version of an environment template: a graph of resources and what a developer may set."
	case KindEnvironment:
		return "An environment: an environment template with values for its inputs. Applying saves it and deploys nothing."
	}
	return ""
}

// typeSchema describes a type by its fields' tags.
func typeSchema(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Struct:
		properties := map[string]any{}
		var required []string
		for _, f := range fieldsOf(t) {
			p := typeSchema(t.Field(f.index).Type)
			p["description"] = f.doc
			if f.enum != nil {
				p["enum"] = f.enum
			}
			properties[f.name] = p
			if f.required {
				required = append(required, f.name)
			}
		}
		out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
		if required != nil {
			out["required"] = required
		}
		return out
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.String:
		if t == reflect.TypeFor[Text]() {
			// Written without quotation marks, it may look like a number or a truth value.
			return map[string]any{"type": []string{"string", "number", "boolean"}}
		}
		return map[string]any{"type": "string"}
	default:
		panic("a manifest has no field of type " + t.String())
	}
}

// SchemaNames returns the names of the schemas, for messages.
func SchemaNames() string {
	names := []string{AnyKind}
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
