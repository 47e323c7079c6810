-- +goose Up

-- What a user's create with an Idempotency-Key has made, so that the same call again makes nothing new. The request is
-- sealed, for it may hold secrets. The environment may be deleted before the row expires, so nothing is referenced.
CREATE TABLE request_keys (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    request BYTEA NOT NULL,
    environment_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE INDEX request_keys_expires_at_idx ON request_keys (expires_at);
