-- What only Corral knows: BIGINT, DOUBLE and LONGTEXT, times in microseconds of UTC. {key} is the type of DECNET's
-- ids, with their character set and collation: with another, comparing the two would use no index or be an
-- error. {name} and {text} are short and long texts that compare to the byte.

-- What an attacker can share with another. first_seen gives the order that some rules need, decky is
-- the sensor of that first sighting; sightings counts distinct log events. A value may be too long for an
-- index, its hash is not.
CREATE TABLE IF NOT EXISTS corral_feature (
    attacker_uuid {key} NOT NULL,
    kind {name} NOT NULL,
    value {text} NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    sightings BIGINT NOT NULL,
    decky {name} NOT NULL DEFAULT '',
    value_sha BINARY(32) GENERATED ALWAYS AS (UNHEX(SHA2(value, 256))) STORED,
    UNIQUE KEY corral_feature_key (attacker_uuid, kind, value_sha),
    KEY corral_feature_value (kind, value(191))
);

-- One row an attacker, sensor and service: what the counts of an attacker are derived from.
CREATE TABLE IF NOT EXISTS corral_contact (
    attacker_uuid {key} NOT NULL,
    decky {name} NOT NULL,
    service {name} NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    events BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (attacker_uuid, decky, service)
);

-- One row a session. Corral reads no logs into MariaDB, so what only that needs is not here.
CREATE TABLE IF NOT EXISTS corral_session (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    attacker_uuid {key} NOT NULL,
    source {name} NOT NULL,
    session {name} NOT NULL,
    decky {name} NOT NULL,
    service {name} NOT NULL,
    certainty BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    closed BIGINT NOT NULL,
    logins_failed BIGINT NOT NULL,
    logins_accepted BIGINT NOT NULL,
    commands BIGINT NOT NULL,
    script {name},
    logins {text} NOT NULL,
    seen LONGBLOB NOT NULL,
    KEY corral_session_attacker (attacker_uuid)
);

-- The commands of each session, in order.
CREATE TABLE IF NOT EXISTS corral_command (
    session_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    input {text} NOT NULL,
    PRIMARY KEY (session_id, at, hash)
);

-- Each file that was read: what it held, and what had to be passed over.
CREATE TABLE IF NOT EXISTS corral_source (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind {name} NOT NULL,
    path {text} NOT NULL,
    sha256 {name} NOT NULL,
    bytes BIGINT NOT NULL,
    `lines` BIGINT NOT NULL,
    events BIGINT NOT NULL,
    skipped {text} NOT NULL,
    first_event_at BIGINT,
    last_event_at BIGINT,
    ingested_at BIGINT NOT NULL
);

-- Why two members are one group: the edges of a spanning forest a layer ('identity', 'campaign').
CREATE TABLE IF NOT EXISTS corral_evidence (
    layer {name} NOT NULL,
    a {key} NOT NULL,
    b {key} NOT NULL,
    reason {name} NOT NULL,
    value {text} NOT NULL,
    bits DOUBLE,
    committed_at BIGINT NOT NULL,
    PRIMARY KEY (layer, a, b),
    KEY corral_evidence_b (layer, b)
);

-- What a person said: these two are the same, or are not.
CREATE TABLE IF NOT EXISTS corral_constraint (
    a {key} NOT NULL,
    b {key} NOT NULL,
    verdict {name} NOT NULL,
    note {text} NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (a, b)
);

-- Events that a commit announced, until the bus has them.
CREATE TABLE IF NOT EXISTS corral_outbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    topic {name} NOT NULL,
    type {name} NOT NULL,
    payload {text} NOT NULL,
    created_at BIGINT NOT NULL
);

-- What a plugin remembers.
CREATE TABLE IF NOT EXISTS corral_state (
    plugin {name} NOT NULL,
    `key` {name} NOT NULL,
    value {text} NOT NULL,
    PRIMARY KEY (plugin, `key`)
);

-- Ticks that changed something or failed.
CREATE TABLE IF NOT EXISTS corral_tick (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    plugin {name} NOT NULL,
    version {name} NOT NULL,
    digest {name} NOT NULL,
    reason {name} NOT NULL,
    started_at BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    rows_read BIGINT NOT NULL,
    changes {text} NOT NULL,
    problem {text}
);

-- A view's version: it grows with each transaction that touches the view.
CREATE TABLE IF NOT EXISTS corral_revision (
    view {name} NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);

-- What each transaction changed: the keys, as a JSON list, of a view's rows that it added, changed or took
-- away. `total` counts the keys of the view up to this row. A version without a row here was not logged, or
-- its row was dropped to make room: then nobody knows what it changed.
CREATE TABLE IF NOT EXISTS corral_change (
    view {name} NOT NULL,
    revision BIGINT NOT NULL,
    total BIGINT NOT NULL,
    `keys` {text} NOT NULL,
    PRIMARY KEY (view, revision)
);

-- Who may write derived rows. A process that holds the lease renews it; one that lost it writes nothing: every
-- commit looks here in its own transaction. The row is always there, so that it can be locked.
CREATE TABLE IF NOT EXISTS corral_lease (
    name {name} NOT NULL PRIMARY KEY,
    holder {name} NOT NULL,
    taken_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
INSERT IGNORE INTO corral_lease (name, holder, taken_at, expires_at) VALUES ('write', '', 0, 0);
