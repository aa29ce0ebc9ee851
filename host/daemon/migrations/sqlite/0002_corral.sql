-- What only Corral knows: BIGINT, DOUBLE and TEXT, times in microseconds of UTC.

-- What an attacker can share with another. first_seen gives the order that some rules need, decky is
-- the sensor of that first sighting; sightings counts distinct log events.
CREATE TABLE corral_feature (
    attacker_uuid TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    sightings BIGINT NOT NULL,
    decky TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (attacker_uuid, kind, value)
) WITHOUT ROWID;
CREATE INDEX corral_feature_value ON corral_feature (kind, value);

-- One row an attacker, sensor and service: what the counts of an attacker are derived from.
CREATE TABLE corral_contact (
    attacker_uuid TEXT NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    events BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (attacker_uuid, decky, service)
) WITHOUT ROWID;

-- One row a session: an attacker's, at one sensor as its log names it. `seen` holds the 64-bit hashes
-- of its log lines, sorted, 8 bytes each: an event counts once, however often and in whatever pieces
-- its file is read. `logins` is a JSON list of [at, accepted, user name, secret, SHA-256 of a cut
-- secret]; `certainty` says how the service is known: 0 guessed, 1 by port, 2 inferred, 3 named.
CREATE TABLE corral_session (
    id INTEGER PRIMARY KEY,
    attacker_uuid TEXT NOT NULL,
    source TEXT NOT NULL,
    session TEXT NOT NULL,
    decky TEXT NOT NULL,
    service TEXT NOT NULL,
    certainty BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    closed BIGINT NOT NULL,
    logins_failed BIGINT NOT NULL,
    logins_accepted BIGINT NOT NULL,
    commands BIGINT NOT NULL,
    script TEXT,
    logins TEXT NOT NULL,
    seen BLOB NOT NULL,
    UNIQUE (attacker_uuid, source, session)
);

-- The commands of each session, in order.
CREATE TABLE corral_command (
    session_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    input TEXT NOT NULL,
    PRIMARY KEY (session_id, at, hash)
) WITHOUT ROWID;

-- Each file that was read: what it held, and what had to be passed over.
CREATE TABLE corral_source (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    events BIGINT NOT NULL,
    skipped TEXT NOT NULL,
    first_event_at BIGINT,
    last_event_at BIGINT,
    ingested_at BIGINT NOT NULL,
    UNIQUE (kind, path, sha256)
);

-- Why two members are one group: the edges of a spanning forest a layer ('identity', 'campaign').
CREATE TABLE corral_evidence (
    layer TEXT NOT NULL,
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    reason TEXT NOT NULL,
    value TEXT NOT NULL,
    bits DOUBLE,
    committed_at BIGINT NOT NULL,
    PRIMARY KEY (layer, a, b)
) WITHOUT ROWID;
-- By b alone: given the layer too, SQLite would rather go through all of the layer.
CREATE INDEX corral_evidence_b ON corral_evidence (b);

-- What a person said: these two are the same, or are not.
CREATE TABLE corral_constraint (
    a TEXT NOT NULL,
    b TEXT NOT NULL,
    verdict TEXT NOT NULL,
    note TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (a, b)
) WITHOUT ROWID;

-- Events that a commit announced, until the bus has them.
CREATE TABLE corral_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What a plugin remembers.
CREATE TABLE corral_state (
    plugin TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (plugin, key)
) WITHOUT ROWID;

-- Ticks that changed something or failed.
CREATE TABLE corral_tick (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    rows_read BIGINT NOT NULL,
    changes TEXT NOT NULL,
    problem TEXT
);

-- A view's version: it grows with each transaction that touches the view.
CREATE TABLE corral_revision (
    view TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
) WITHOUT ROWID;

-- What each transaction changed: the keys, as a JSON list, of a view's rows that it added, changed or took
-- away. `total` counts the keys of the view up to this row. A version without a row here was not logged, or
-- its row was dropped to make room: then nobody knows what it changed.
CREATE TABLE corral_change (
    view TEXT NOT NULL,
    revision BIGINT NOT NULL,
    total BIGINT NOT NULL,
    keys TEXT NOT NULL,
    PRIMARY KEY (view, revision)
);

-- Who may write derived rows. A process that holds the lease renews it; one that lost it writes nothing: every
-- commit looks here in its own transaction. The row is always there, so that it can be locked.
CREATE TABLE corral_lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO corral_lease (name, holder, taken_at, expires_at) VALUES ('write', '', 0, 0);
