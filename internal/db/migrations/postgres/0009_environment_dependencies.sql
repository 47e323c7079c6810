-- +goose Up

-- Deploys of an environment that follows its template use the version that was activated last.
ALTER TABLE environments ADD COLUMN follow_latest BIGINT NOT NULL DEFAULT 0;

-- Which other environments a deploy used. What counts is what may exist: the deploys since, and with, the last one that succeeded.
CREATE TABLE environment_dependencies (
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    run_id         TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    upstream_id    TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    PRIMARY KEY (run_id, upstream_id)
);
CREATE INDEX environment_dependencies_environment_id_idx ON environment_dependencies (environment_id);
CREATE INDEX environment_dependencies_upstream_id_idx ON environment_dependencies (upstream_id);
