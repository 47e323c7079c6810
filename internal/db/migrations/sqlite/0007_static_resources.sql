-- +goose Up

-- A static resource without a project belongs to the organisation.
CREATE TABLE static_resources (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX static_resources_project_id_name_key ON static_resources (COALESCE(project_id, ''), name);
CREATE INDEX static_resources_project_id_idx ON static_resources (project_id);

-- The value of a sensitive variable is sealed; its kind (string, number, list, ...) is not.
CREATE TABLE static_resource_variables (
    static_id TEXT NOT NULL REFERENCES static_resources (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    value_type TEXT NOT NULL,
    kind TEXT NOT NULL,
    value BLOB NOT NULL,
    sensitive BIGINT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (static_id, name)
);

-- A share without a project is with all projects.
CREATE TABLE static_resource_shares (
    static_id TEXT NOT NULL REFERENCES static_resources (id) ON DELETE CASCADE,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX static_resource_shares_static_id_project_id_key ON static_resource_shares (static_id, COALESCE(project_id, ''));
CREATE INDEX static_resource_shares_project_id_idx ON static_resource_shares (project_id);
