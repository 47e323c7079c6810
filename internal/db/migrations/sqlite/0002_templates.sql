-- +goose Up

-- A context without a project belongs to the organisation.
CREATE TABLE config_contexts (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sandbox_json TEXT,
    sandbox_secret BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX config_contexts_project_id_name_key ON config_contexts (COALESCE(project_id, ''), name);
CREATE INDEX config_contexts_project_id_idx ON config_contexts (project_id);

-- The value of a sensitive entry is sealed.
CREATE TABLE config_context_entries (
    context_id TEXT NOT NULL REFERENCES config_contexts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    value_type TEXT NOT NULL,
    value BLOB NOT NULL,
    sensitive BIGINT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (context_id, kind, name)
);

-- A share without a project is with all projects, here and below.
CREATE TABLE config_context_shares (
    context_id TEXT NOT NULL REFERENCES config_contexts (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX config_context_shares_context_id_project_id_key ON config_context_shares (context_id, COALESCE(project_id, ''));
CREATE INDEX config_context_shares_project_id_idx ON config_context_shares (project_id);

CREATE TABLE resource_templates (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX resource_templates_project_id_name_key ON resource_templates (COALESCE(project_id, ''), name);
CREATE INDEX resource_templates_project_id_idx ON resource_templates (project_id);

CREATE TABLE resource_template_versions (
    id TEXT PRIMARY KEY,
    template_id TEXT NOT NULL REFERENCES resource_templates (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    spec_json TEXT NOT NULL,
    module_json TEXT NOT NULL,
    problems_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    activated_at BIGINT
);
CREATE UNIQUE INDEX resource_template_versions_template_id_version_key ON resource_template_versions (template_id, version);

CREATE TABLE resource_template_shares (
    template_id TEXT NOT NULL REFERENCES resource_templates (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX resource_template_shares_template_id_project_id_key ON resource_template_shares (template_id, COALESCE(project_id, ''));
CREATE INDEX resource_template_shares_project_id_idx ON resource_template_shares (project_id);

CREATE TABLE environment_templates (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX environment_templates_project_id_name_key ON environment_templates (COALESCE(project_id, ''), name);
CREATE INDEX environment_templates_project_id_idx ON environment_templates (project_id);

-- Summary, icon and category repeat the spec, so that a catalog reads no spec.
CREATE TABLE environment_template_versions (
    id TEXT PRIMARY KEY,
    template_id TEXT NOT NULL REFERENCES environment_templates (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    summary TEXT NOT NULL,
    icon TEXT NOT NULL,
    category TEXT NOT NULL,
    spec_json TEXT NOT NULL,
    problems_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    activated_at BIGINT
);
CREATE UNIQUE INDEX environment_template_versions_template_id_version_key ON environment_template_versions (template_id, version);

CREATE TABLE environment_template_shares (
    template_id TEXT NOT NULL REFERENCES environment_templates (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX environment_template_shares_template_id_project_id_key ON environment_template_shares (template_id, COALESCE(project_id, ''));
CREATE INDEX environment_template_shares_project_id_idx ON environment_template_shares (project_id);
