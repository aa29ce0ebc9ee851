-- Which component each plugin has had, from when to when, who put it there and why it ended. The one that has not
-- ended is the one that ticks, in whichever process is on duty.
CREATE TABLE corral_generation (
    plugin TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    put_by TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_why TEXT,
    PRIMARY KEY (plugin, number)
) WITHOUT ROWID;

-- The components of the last generations, in parts of base64, so that a restart, or another process, has them;
-- papers come with the first part.
CREATE TABLE corral_component (
    digest TEXT NOT NULL,
    part BIGINT NOT NULL,
    content TEXT NOT NULL,
    papers TEXT,
    PRIMARY KEY (digest, part)
) WITHOUT ROWID;

-- Components that kept failing, until somebody clears them.
CREATE TABLE corral_quarantine (
    plugin TEXT NOT NULL,
    digest TEXT NOT NULL,
    why TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (plugin, digest)
) WITHOUT ROWID;

-- Plugins that somebody switched off, or on again.
CREATE TABLE corral_plugin (
    plugin TEXT NOT NULL PRIMARY KEY,
    enabled BIGINT NOT NULL,
    put_by TEXT NOT NULL,
    at BIGINT NOT NULL
) WITHOUT ROWID;
