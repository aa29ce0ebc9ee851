-- The tables that Corral shares with DECNET keep DECNET's names, columns and encodings, so that the
-- same queries and tools read both. Corral makes them in a database of its own, and never alters DECNET's.

CREATE TABLE campaigns (
    uuid VARCHAR NOT NULL PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    first_seen_at DATETIME,
    last_seen_at DATETIME,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    confidence FLOAT,
    identity_count INTEGER NOT NULL,
    ja3_hashes TEXT,
    hassh_hashes TEXT,
    tls_cert_sha256 TEXT,
    payload_simhashes TEXT,
    c2_endpoints TEXT,
    merged_into_uuid VARCHAR REFERENCES campaigns (uuid),
    notes TEXT
);
CREATE INDEX ix_campaigns_merged_into_uuid ON campaigns (merged_into_uuid);

CREATE TABLE attacker_identities (
    uuid VARCHAR NOT NULL PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    campaign_id VARCHAR REFERENCES campaigns (uuid),
    first_seen_at DATETIME,
    last_seen_at DATETIME,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    confidence FLOAT,
    observation_count INTEGER NOT NULL,
    ja3_hashes TEXT,
    hassh_hashes TEXT,
    ja4h_hashes TEXT,
    ja4_quic_hashes TEXT,
    http_versions_seen TEXT,
    tls_cert_sha256 TEXT,
    ipv6_link_local_iids TEXT,
    payload_simhashes TEXT,
    c2_endpoints TEXT,
    kd_digraph_simhash BLOB,
    merged_into_uuid VARCHAR REFERENCES attacker_identities (uuid),
    notes TEXT
);
CREATE INDEX ix_attacker_identities_campaign_id ON attacker_identities (campaign_id);
CREATE INDEX ix_attacker_identities_merged_into_uuid ON attacker_identities (merged_into_uuid);

CREATE TABLE attackers (
    uuid VARCHAR NOT NULL PRIMARY KEY,
    ip VARCHAR NOT NULL,
    identity_id VARCHAR REFERENCES attacker_identities (uuid),
    first_seen DATETIME NOT NULL,
    last_seen DATETIME NOT NULL,
    event_count INTEGER NOT NULL,
    service_count INTEGER NOT NULL,
    decky_count INTEGER NOT NULL,
    services TEXT NOT NULL,
    deckies TEXT NOT NULL,
    traversal_path TEXT,
    is_traversal BOOLEAN NOT NULL,
    bounty_count INTEGER NOT NULL,
    credential_count INTEGER NOT NULL,
    fingerprints TEXT NOT NULL,
    commands TEXT NOT NULL,
    country_code VARCHAR(2),
    country_source VARCHAR(16),
    asn INTEGER,
    as_name VARCHAR(128),
    bgp_prefix VARCHAR(43),
    asn_source VARCHAR(16),
    rpki_status VARCHAR(16),
    rpki_source VARCHAR(16),
    ptr_record VARCHAR(256),
    rotation_count INTEGER NOT NULL,
    last_rotation_at DATETIME,
    ipv6_leak_count INTEGER NOT NULL,
    last_ipv6_leak_at DATETIME,
    last_ipv6_link_local VARCHAR(45),
    last_ipv6_iid_kind VARCHAR(16),
    last_ipv6_mac_oui VARCHAR(8),
    updated_at DATETIME NOT NULL
);
CREATE INDEX ix_attackers_ip ON attackers (ip);
CREATE INDEX ix_attackers_identity_id ON attackers (identity_id);
CREATE INDEX ix_attackers_first_seen ON attackers (first_seen);

-- An id follows from evidence_ref and primitive, so it needs no index to be unique.
CREATE TABLE observations (
    id VARCHAR NOT NULL,
    identity_ref VARCHAR,
    primitive VARCHAR NOT NULL,
    value JSON NOT NULL,
    confidence FLOAT NOT NULL,
    window_start_ts FLOAT NOT NULL,
    window_end_ts FLOAT NOT NULL,
    source VARCHAR NOT NULL,
    evidence_ref VARCHAR NOT NULL,
    envelope_v INTEGER NOT NULL,
    ts FLOAT NOT NULL,
    attacker_uuid VARCHAR NOT NULL REFERENCES attackers (uuid),
    PRIMARY KEY (evidence_ref, primitive)
) WITHOUT ROWID;

CREATE TABLE attribution_state (
    identity_uuid VARCHAR NOT NULL REFERENCES attacker_identities (uuid),
    primitive VARCHAR NOT NULL,
    current_value JSON NOT NULL,
    state VARCHAR NOT NULL,
    confidence FLOAT NOT NULL,
    observation_count INTEGER NOT NULL,
    last_change_ts FLOAT NOT NULL,
    last_observation_ts FLOAT NOT NULL,
    schema_version INTEGER NOT NULL,
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (identity_uuid, primitive)
);

CREATE TABLE credentials (
    id INTEGER NOT NULL PRIMARY KEY,
    attacker_ip VARCHAR NOT NULL,
    attacker_uuid VARCHAR REFERENCES attackers (uuid),
    decky_name VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    principal VARCHAR(256),
    principal_key VARCHAR(256) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    secret_sha256 VARCHAR(64) NOT NULL,
    secret_b64 VARCHAR(2048),
    secret_printable VARCHAR(512),
    outcome VARCHAR(16),
    fields TEXT NOT NULL,
    first_seen DATETIME NOT NULL,
    last_seen DATETIME NOT NULL,
    attempt_count INTEGER NOT NULL,
    CONSTRAINT uq_credentials_dedup UNIQUE
        (attacker_ip, decky_name, service, secret_kind, secret_sha256, principal_key)
);
CREATE INDEX ix_credentials_attacker_uuid ON credentials (attacker_uuid);
CREATE INDEX ix_credentials_secret_sha256 ON credentials (secret_sha256, secret_kind, principal_key);

CREATE TABLE credential_reuse (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    secret_sha256 VARCHAR(64) NOT NULL,
    secret_kind VARCHAR(32) NOT NULL,
    principal VARCHAR(256),
    principal_key VARCHAR(256) NOT NULL,
    attacker_uuids TEXT NOT NULL,
    attacker_ips TEXT NOT NULL,
    deckies TEXT NOT NULL,
    services TEXT NOT NULL,
    target_count INTEGER NOT NULL,
    attempt_count INTEGER NOT NULL,
    confidence FLOAT NOT NULL,
    first_seen DATETIME NOT NULL,
    last_seen DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT uq_credential_reuse_secret_principal UNIQUE (secret_sha256, secret_kind, principal_key)
);

CREATE TABLE ttp_tag (
    uuid VARCHAR NOT NULL PRIMARY KEY,
    source_kind VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL,
    attacker_uuid VARCHAR REFERENCES attackers (uuid) ON DELETE CASCADE,
    identity_uuid VARCHAR REFERENCES attacker_identities (uuid) ON DELETE CASCADE,
    session_id VARCHAR,
    decky_id VARCHAR,
    tactic VARCHAR NOT NULL,
    technique_id VARCHAR NOT NULL,
    sub_technique_id VARCHAR,
    confidence FLOAT NOT NULL,
    rule_id VARCHAR NOT NULL,
    rule_version INTEGER NOT NULL,
    evidence JSON NOT NULL,
    attack_release VARCHAR NOT NULL,
    mitre_url VARCHAR,
    created_at DATETIME NOT NULL,
    CONSTRAINT ttp_tag_has_anchor CHECK (attacker_uuid IS NOT NULL OR identity_uuid IS NOT NULL),
    CONSTRAINT ttp_tag_confidence_range CHECK (confidence >= 0.0 AND confidence <= 1.0)
);
CREATE INDEX ix_ttp_tag_attacker_uuid ON ttp_tag (attacker_uuid, created_at);
