-- What Corral took in of a database that DECNET owns: of each attacker its place and a digest of its row,
-- so that only what differs is written again.
CREATE TABLE corral_projected (
    attacker_uuid TEXT NOT NULL PRIMARY KEY,
    first_seen BIGINT NOT NULL,
    digest BIGINT NOT NULL
) WITHOUT ROWID;

-- Rows of others that make no sense, with the reason, until they do.
CREATE TABLE corral_poison (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
