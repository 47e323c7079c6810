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
    inputs              BLOB NOT NULL,
    revision            INTEGER NOT NULL,
    run_count           INTEGER NOT NULL,
    last_run_id         TEXT,
    deployed_inputs     BLOB,
    deployed_version_id TEXT,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX environments_template ON environments (template_id);

CREATE TABLE runs (
    id                  TEXT PRIMARY KEY,
    environment_id      TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    project_id          TEXT NOT NULL,
    number              INTEGER NOT NULL,
    kind                TEXT NOT NULL,
    status              TEXT NOT NULL,
    cancel_requested    INTEGER NOT NULL,
    template_version_id TEXT NOT NULL,
    snapshot            BLOB NOT NULL,
    created_by          TEXT NOT NULL,
    created_by_email    TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
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
    outputs        BLOB,
    endpoint       TEXT NOT NULL,
    data_key       BLOB NOT NULL,
    object_count   INTEGER NOT NULL,
    in_doubt       TEXT NOT NULL,
    updated_at     INTEGER NOT NULL,
    UNIQUE (environment_id, name)
);

CREATE TABLE steps (
    id          TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    resource    TEXT NOT NULL,
    action      TEXT NOT NULL,
    status      TEXT NOT NULL,
    phase       TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    losses      INTEGER NOT NULL,
    depends_on  TEXT NOT NULL,
    error       TEXT NOT NULL,
    diagnostics TEXT NOT NULL,
    plan        BLOB,
    added       INTEGER NOT NULL,
    changed     INTEGER NOT NULL,
    destroyed   INTEGER NOT NULL,
    tool        TEXT NOT NULL,
    pool        TEXT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until INTEGER,
    not_before  INTEGER,
    read_offset INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER
);
CREATE INDEX steps_run ON steps (run_id, position);
CREATE INDEX steps_resource ON steps (resource_id);
CREATE INDEX steps_open ON steps (pool, status) WHERE status IN ('ready', 'running');

CREATE TABLE step_phases (
    step_id    TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt    INTEGER NOT NULL,
    phase      TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    PRIMARY KEY (step_id, attempt, phase)
);

CREATE TABLE step_objects (
    step_id     TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    address     TEXT NOT NULL,
    type        TEXT NOT NULL,
    action      TEXT NOT NULL,
    status      TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    position    INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (step_id, attempt, address, action)
);

CREATE TABLE states (
    id          TEXT PRIMARY KEY,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    step_id     TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    serial      INTEGER NOT NULL,
    content     BLOB NOT NULL,
    created_at  INTEGER NOT NULL
);
CREATE INDEX states_resource ON states (resource_id, created_at);

CREATE TABLE journal_entries (
    id          TEXT PRIMARY KEY,
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    step_id     TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    entry       TEXT NOT NULL,
    created_at  INTEGER NOT NULL
);
CREATE INDEX journal_resource ON journal_entries (resource_id);

CREATE TABLE log_chunks (
    step_id    TEXT NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    attempt    INTEGER NOT NULL,
    start      INTEGER NOT NULL,
    length     INTEGER NOT NULL,
    blob_key   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (step_id, attempt, start)
);
