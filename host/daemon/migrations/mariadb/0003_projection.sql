-- What Corral took in of a database that DECNET owns: of each attacker its place and a digest of its row,
-- so that only what differs is written again.
CREATE TABLE IF NOT EXISTS corral_projected (
    attacker_uuid {key} NOT NULL PRIMARY KEY,
    first_seen BIGINT NOT NULL,
    digest BIGINT NOT NULL
);

-- Rows of others that make no sense, with the reason, until they do.
CREATE TABLE IF NOT EXISTS corral_poison (
    source {name} NOT NULL,
    name {name} NOT NULL,
    reason {text} NOT NULL,
    PRIMARY KEY (source, name)
);
