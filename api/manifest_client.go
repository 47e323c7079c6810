package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Apply makes objects what documents say. Files that cannot be read are an error that names every place; what cannot be
// applied is in the results. Without a project, documents that name none describe the organisation's own objects.
func (c *Client) Apply(ctx context.Context, project string, in Apply) (Applied, error) {
	var out Applied
	if project == "" {
		return out, c.do(ctx, http.MethodPost, "/apply", in, &out)
	}
	return out, c.do(ctx, http.MethodPost, path("projects", project, "apply"), in, &out)
}

func manifestPath(project, kind, name, version string) string {
	p := path("projects", project, "manifests", kind, name)
	if version != "" {
		p += "?" + url.Values{"version": {version}}.Encode()
	}
	return p
}

// Manifests lists the objects of a kind that a project has or may use.
func (c *Client) Manifests(ctx context.Context, project, kind string) ([]ManifestItem, error) {
	var out Page[ManifestItem]
	err := c.do(ctx, http.MethodGet, path("projects", project, "manifests", kind), nil, &out)
	return out.Items, err
}

// Manifest returns an object as a document. An empty version means the newest.
func (c *Client) Manifest(ctx context.Context, project, kind, name, version string) (Manifest, error) {
	var out Manifest
	return out, c.do(ctx, http.MethodGet, manifestPath(project, kind, name, version), nil, &out)
}

// DeleteManifest deletes an object; of a template a version, or all of it when the version is empty.
func (c *Client) DeleteManifest(ctx context.Context, project, kind, name, version string) error {
	return c.do(ctx, http.MethodDelete, manifestPath(project, kind, name, version), nil, nil)
}

// Schema returns the JSON Schema of a kind of document, or with "Manifest" of all kinds.
func (c *Client) Schema(ctx context.Context, kind string) (json.RawMessage, error) {
	resp, err := c.send(ctx, http.MethodGet, path("schemas", kind), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var out json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return nil, fmt.Errorf("reading the schema of %s: %w", kind, err)
	}
	return out, nil
}
