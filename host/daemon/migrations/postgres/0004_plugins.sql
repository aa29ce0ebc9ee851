-- Which component each plugin has had, from when to when, who put it there and why it ended. The one that has not
-- ended is the one that ticks, in whichever process is on duty.
CREATE TABLE corral_generation (
    plugin TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    put_by TEXT COLLATE "C" NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_why TEXT COLLATE "C",
    PRIMARY KEY (plugin, number)
);

-- The components of the last generations, in parts of base64, so that a restart, or another process, has them;
-- papers come with the first part.
CREATE TABLE corral_component (
    digest TEXT COLLATE "C" NOT NULL,
    part BIGINT NOT NULL,
    content TEXT COLLATE "C" NOT NULL,
    papers TEXT COLLATE "C",
    PRIMARY KEY (digest, part)
);

-- Components that kept failing, until somebody clears them.
CREATE TABLE corral_quarantine (
    plugin TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (plugin, digest)
);

-- Plugins that somebody switched off, or on again.
CREATE TABLE corral_plugin (
    plugin TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    enabled BIGINT NOT NULL,
    put_by TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
