-- +goose Up

-- Whether the project's administrators may share what the project owns.
ALTER TABLE projects ADD COLUMN sharing_delegated BIGINT NOT NULL DEFAULT 0;

ALTER TABLE resource_templates ADD COLUMN labels_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE resource_templates ADD COLUMN annotations_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE environment_templates ADD COLUMN labels_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE environment_templates ADD COLUMN annotations_json TEXT NOT NULL DEFAULT '{}';

-- Sources that were uploaded to a project. A digest known from elsewhere opens nothing in another project.
CREATE TABLE template_uploads (
    digest TEXT NOT NULL,
    owner TEXT NOT NULL,
    project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    files BIGINT NOT NULL,
    size BIGINT NOT NULL,
    folders_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (digest, owner)
);
CREATE INDEX template_uploads_project_id_idx ON template_uploads (project_id);
CREATE INDEX template_uploads_used_at_idx ON template_uploads (used_at);
