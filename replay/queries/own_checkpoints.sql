-- How far each of them has followed, and with which version of its fold.
CREATE TABLE IF NOT EXISTS {own}.checkpoints (
    name     text   PRIMARY KEY,
    version  bigint NOT NULL,
    position bigint NOT NULL
)
