-- +goose Up

-- Ids sort by time, and lists are in their order. With these a page costs the rows it shows, however long the history is.
DROP INDEX runs_project;
CREATE INDEX runs_project_id_idx ON runs (project_id, id);
CREATE INDEX runs_template_version_id_idx ON runs (template_version_id, id);
