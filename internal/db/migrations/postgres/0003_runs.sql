-- +goose Up
CREATE TABLE environments (
    id                  TEXT PRIMARY KEY,
    project_id          TEXT NOT NULL REFERENCES projects (id),
    name                TEXT NOT NULL,
    unique_name         TEXT NOT NULL UNIQUE,
    template_id         TEXT NOT NULL REFERENCES environment_templates (id),
    template_version_id TEXT NOT NULL REFERENCES environment_template_versions (id),
    owner_id            TEXT NOT NULL REFERENCES users (id),
    owner_email         TEXT NOT NULL,
    inputs              BYTEA NOT NULL,
    revision            BIGINT NOT NULL,
    run_count           BIGINT NOT NULL,
    last_run_id         TEXT,
    deployed_inputs     BYTEA,
    deployed_version_id TEXT,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX environments_template ON environments (template_id);

CREATE TABLE runs (
    id                  TEXT PRIMARY KEY,
    environment_id      TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    project_id          TEXT NOT NULL,
    number              BIGINT NOT NULL,
    kind                TEXT NOT NULL,
    status              TEXT NOT NULL,
    cancel_requested    BIGINT NOT NULL,
    template_version_id TEXT NOT NULL,
    snapshot            BYTEA NOT NULL,
    created_by          TEXT NOT NULL,
    created_by_email    TEXT NOT NULL,
    created_at          BIGINT NOT NULL,
    started_at          BIGINT,
    finished_at         BIGINT,
    UNIQUE (environment_id, number)
);
CREATE UNIQUE INDEX runs_one_active ON runs (environment_id) WHERE status IN ('queued', 'running');
CREATE INDEX runs_project ON runs (project_id, created_at);

CREATE TABLE resources (
    id             TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    status         TEXT NOT NULL,
    applied_run_id TEXT,
    state_id       TEXT,
    outputs        BYTEA,
    endpoint       TEXT NOT NULL,
    data_key       BYTEA NOT NULL,
    object_count   BIGINT NOT NULL,
    in_doubt       TEXT NOT NULL,
    updated_at     BIGINT NOT NULL,
    UNIQUE (environment_id, name)
);

CREATE TABLE steps (
    id          TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position    BIGINT NOT NULL,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    resource    TEXT NOT NULL,
    action      TEXT NOT NULL,
    status      TEXT NOT NULL,
    phase       TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    losses      BIGINT NOT NULL,
    depends_on  TEXT NOT NULL,
    error       TEXT NOT NULL,
    diagnostics TEXT NOT NULL,
    plan        BYTEA,
    added       BIGINT NOT NULL,
    changed     BIGINT NOT NULL,
    destroyed   BIGINT NOT NULL,
    tool        TEXT NOT NULL,
    pool        TEXT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until BIGINT,
    not_before  BIGINT,
    read_offset BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT
);
CREATE INDEX steps_run ON steps (run_id, position);
CREATE INDEX steps_resource ON steps (resource_id);
CREATE INDEX steps_open ON steps (pool, status) WHERE status IN ('ready', 'running');

CREATE TABLE step_phases (
    step_id    TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt    BIGINT NOT NULL,
    phase      TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (step_id, attempt, phase)
);

CREATE TABLE step_objects (
    step_id     TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt     BIGINT NOT NULL,
    address     TEXT NOT NULL,
    type        TEXT NOT NULL,
    action      TEXT NOT NULL,
    status      TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    position    BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT,
    PRIMARY KEY (step_id, attempt, address, action)
);

CREATE TABLE states (
    id          TEXT PRIMARY KEY,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    step_id     TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    serial      BIGINT NOT NULL,
    content     BYTEA NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX states_resource ON states (resource_id, created_at);

CREATE TABLE journal_entries (
    id          TEXT PRIMARY KEY,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    step_id     TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    entry       TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX journal_resource ON journal_entries (resource_id);

CREATE TABLE log_chunks (
    step_id    TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt    BIGINT NOT NULL,
    start      BIGINT NOT NULL,
    length     BIGINT NOT NULL,
    blob_key   TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (step_id, attempt, start)
);
