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
