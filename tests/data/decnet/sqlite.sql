-- A database as DECNET makes it on SQLite: its tables, columns, keys and indices, as far as Corral reads or writes them.
-- No column has a default, and foreign keys are declared but never checked.

CREATE TABLE campaigns (
    uuid VARCHAR NOT NULL,
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
    merged_into_uuid VARCHAR,
    notes TEXT,
    PRIMARY KEY (uuid),
    FOREIGN KEY (merged_into_uuid) REFERENCES campaigns (uuid)
);
CREATE INDEX ix_campaigns_created_at ON campaigns (created_at);
CREATE INDEX ix_campaigns_first_seen_at ON campaigns (first_seen_at);
CREATE INDEX ix_campaigns_last_seen_at ON campaigns (last_seen_at);
CREATE INDEX ix_campaigns_merged_into_uuid ON campaigns (merged_into_uuid);
CREATE INDEX ix_campaigns_updated_at ON campaigns (updated_at);

CREATE TABLE attacker_identities (
    uuid VARCHAR NOT NULL,
    schema_version INTEGER NOT NULL,
    campaign_id VARCHAR,
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
    merged_into_uuid VARCHAR,
    notes TEXT,
    PRIMARY KEY (uuid),
    FOREIGN KEY (campaign_id) REFERENCES campaigns (uuid),
    FOREIGN KEY (merged_into_uuid) REFERENCES attacker_identities (uuid)
);
CREATE INDEX ix_attacker_identities_campaign_id ON attacker_identities (campaign_id);
CREATE INDEX ix_attacker_identities_created_at ON attacker_identities (created_at);
CREATE INDEX ix_attacker_identities_first_seen_at ON attacker_identities (first_seen_at);
CREATE INDEX ix_attacker_identities_kd_digraph_simhash ON attacker_identities (kd_digraph_simhash);
CREATE INDEX ix_attacker_identities_last_seen_at ON attacker_identities (last_seen_at);
CREATE INDEX ix_attacker_identities_merged_into_uuid ON attacker_identities (merged_into_uuid);
CREATE INDEX ix_attacker_identities_updated_at ON attacker_identities (updated_at);

CREATE TABLE attackers (
    uuid VARCHAR NOT NULL,
    ip VARCHAR NOT NULL,
    identity_id VARCHAR,
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
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (uuid),
    FOREIGN KEY (identity_id) REFERENCES attacker_identities (uuid)
);
CREATE INDEX ix_attackers_asn ON attackers (asn);
CREATE INDEX ix_attackers_bgp_prefix ON attackers (bgp_prefix);
CREATE INDEX ix_attackers_country_code ON attackers (country_code);
CREATE INDEX ix_attackers_first_seen ON attackers (first_seen);
CREATE INDEX ix_attackers_identity_id ON attackers (identity_id);
CREATE INDEX ix_attackers_ip ON attackers (ip);
CREATE INDEX ix_attackers_last_ipv6_leak_at ON attackers (last_ipv6_leak_at);
CREATE INDEX ix_attackers_last_rotation_at ON attackers (last_rotation_at);
CREATE INDEX ix_attackers_last_seen ON attackers (last_seen);
CREATE INDEX ix_attackers_updated_at ON attackers (updated_at);

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
    attacker_uuid VARCHAR NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_observations_evidence_primitive UNIQUE (evidence_ref, primitive),
    FOREIGN KEY (attacker_uuid) REFERENCES attackers (uuid)
);
CREATE INDEX ix_observations_attacker_primitive_ts ON observations (attacker_uuid, primitive, ts);
CREATE INDEX ix_observations_primitive_ts ON observations (primitive, ts);
CREATE INDEX ix_observations_attacker_uuid ON observations (attacker_uuid);
CREATE INDEX ix_observations_primitive ON observations (primitive);
CREATE INDEX ix_observations_ts ON observations (ts);

CREATE TABLE attribution_state (
    identity_uuid VARCHAR NOT NULL,
    primitive VARCHAR NOT NULL,
    current_value JSON NOT NULL,
    state VARCHAR NOT NULL,
    confidence FLOAT NOT NULL,
    observation_count INTEGER NOT NULL,
    last_change_ts FLOAT NOT NULL,
    last_observation_ts FLOAT NOT NULL,
    schema_version INTEGER NOT NULL,
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (identity_uuid, primitive),
    FOREIGN KEY (identity_uuid) REFERENCES attacker_identities (uuid)
);
CREATE INDEX ix_attribution_state_identity_state ON attribution_state (identity_uuid, state);
CREATE INDEX ix_attribution_state_last_change ON attribution_state (last_change_ts);
CREATE INDEX ix_attribution_state_state ON attribution_state (state);

CREATE TABLE credentials (
    id INTEGER NOT NULL,
    attacker_ip VARCHAR NOT NULL,
    attacker_uuid VARCHAR,
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
    PRIMARY KEY (id),
    CONSTRAINT uq_credentials_dedup UNIQUE
        (attacker_ip, decky_name, service, secret_kind, secret_sha256, principal_key),
    FOREIGN KEY (attacker_uuid) REFERENCES attackers (uuid)
);
CREATE INDEX ix_credentials_attacker_ip ON credentials (attacker_ip);
CREATE INDEX ix_credentials_attacker_uuid ON credentials (attacker_uuid);
CREATE INDEX ix_credentials_decky_name ON credentials (decky_name);
CREATE INDEX ix_credentials_first_seen ON credentials (first_seen);
CREATE INDEX ix_credentials_last_seen ON credentials (last_seen);
CREATE INDEX ix_credentials_principal ON credentials (principal);
CREATE INDEX ix_credentials_secret_kind ON credentials (secret_kind);
CREATE INDEX ix_credentials_secret_sha256 ON credentials (secret_sha256);
CREATE INDEX ix_credentials_service ON credentials (service);
CREATE INDEX ix_credentials_principal_service ON credentials (principal, service);
CREATE INDEX ix_credentials_secret_service ON credentials (secret_sha256, service);

CREATE TABLE credential_reuse (
    id VARCHAR(36) NOT NULL,
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
    PRIMARY KEY (id),
    CONSTRAINT uq_credential_reuse_secret_principal UNIQUE (secret_sha256, secret_kind, principal_key)
);
CREATE INDEX ix_credential_reuse_first_seen ON credential_reuse (first_seen);
CREATE INDEX ix_credential_reuse_last_seen ON credential_reuse (last_seen);
CREATE INDEX ix_credential_reuse_secret_kind ON credential_reuse (secret_kind);
CREATE INDEX ix_credential_reuse_secret_sha256 ON credential_reuse (secret_sha256);
CREATE INDEX ix_credential_reuse_target_count ON credential_reuse (target_count);
CREATE INDEX ix_credential_reuse_updated_at ON credential_reuse (updated_at);

CREATE TABLE ttp_tag (
    uuid VARCHAR NOT NULL,
    source_kind VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL,
    attacker_uuid VARCHAR,
    identity_uuid VARCHAR,
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
    PRIMARY KEY (uuid),
    CONSTRAINT ttp_tag_has_anchor CHECK (attacker_uuid IS NOT NULL OR identity_uuid IS NOT NULL),
    CONSTRAINT ttp_tag_confidence_range CHECK (confidence >= 0.0 AND confidence <= 1.0),
    FOREIGN KEY (attacker_uuid) REFERENCES attackers (uuid) ON DELETE CASCADE,
    FOREIGN KEY (identity_uuid) REFERENCES attacker_identities (uuid) ON DELETE CASCADE
);
CREATE INDEX ix_ttp_tag_attack_release ON ttp_tag (attack_release);
CREATE INDEX ix_ttp_tag_attacker_uuid ON ttp_tag (attacker_uuid);
CREATE INDEX ix_ttp_tag_created_at ON ttp_tag (created_at);
CREATE INDEX ix_ttp_tag_decky_id ON ttp_tag (decky_id);
CREATE INDEX ix_ttp_tag_identity_uuid ON ttp_tag (identity_uuid);
CREATE INDEX ix_ttp_tag_rule_id ON ttp_tag (rule_id);
CREATE INDEX ix_ttp_tag_session_id ON ttp_tag (session_id);
CREATE INDEX ix_ttp_tag_sub_technique_id ON ttp_tag (sub_technique_id);
CREATE INDEX ix_ttp_tag_tactic ON ttp_tag (tactic);
CREATE INDEX ix_ttp_tag_technique_id ON ttp_tag (technique_id);
CREATE INDEX ix_ttp_tag_attacker_technique ON ttp_tag (attacker_uuid, technique_id);
CREATE INDEX ix_ttp_tag_identity_technique ON ttp_tag (identity_uuid, technique_id);
CREATE INDEX ix_ttp_tag_technique_created ON ttp_tag (technique_id, created_at);
