-- Which component each plugin has had, from when to when, who put it there and why it ended. The one that has not
-- ended is the one that ticks, in whichever process is on duty.
CREATE TABLE IF NOT EXISTS corral_generation (
    plugin {name} NOT NULL,
    number BIGINT NOT NULL,
    digest {name} NOT NULL,
    version {name} NOT NULL,
    source {text} NOT NULL,
    put_by {name} NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_why {text},
    PRIMARY KEY (plugin, number)
);

-- The components of the last generations, in parts of base64, so that a restart, or another process, has them;
-- papers come with the first part.
CREATE TABLE IF NOT EXISTS corral_component (
    digest {name} NOT NULL,
    part BIGINT NOT NULL,
    content {text} NOT NULL,
    papers {text},
    PRIMARY KEY (digest, part)
);

-- Components that kept failing, until somebody clears them.
CREATE TABLE IF NOT EXISTS corral_quarantine (
    plugin {name} NOT NULL,
    digest {name} NOT NULL,
    why {text} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (plugin, digest)
);

-- Plugins that somebody switched off, or on again.
CREATE TABLE IF NOT EXISTS corral_plugin (
    plugin {name} NOT NULL PRIMARY KEY,
    enabled BIGINT NOT NULL,
    put_by {name} NOT NULL,
    at BIGINT NOT NULL
);
