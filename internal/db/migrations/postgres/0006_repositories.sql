-- +goose Up

-- A repository without a project belongs to the organisation. The credentials are sealed.
CREATE TABLE repositories (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    url TEXT NOT NULL,
    auth TEXT NOT NULL,
    username TEXT NOT NULL,
    credentials BYTEA,
    default_revision TEXT NOT NULL,
    known_hosts TEXT NOT NULL,
    ca_cert TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX repositories_project_id_name_key ON repositories (COALESCE(project_id, ''), name);
CREATE INDEX repositories_project_id_idx ON repositories (project_id);
