"""The file of telemetry: a SQLite database that holds columns. SQLite makes each write whole and durable."""

FORMAT = 1
"""Kept in `PRAGMA user_version`."""
APPLICATION = 0x43794C74
"""Kept in `PRAGMA application_id`: "CyLt"."""
PAGE = 16384
"""Bytes of a page: columns are long."""

SCHEMA = """
CREATE TABLE tag (
  batch TEXT NOT NULL,
  code  INTEGER NOT NULL,
  name  TEXT NOT NULL,
  unit  TEXT NOT NULL,
  PRIMARY KEY (batch, code)
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  batch    TEXT NOT NULL,
  level    INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  crc      INTEGER NOT NULL,
  body     BLOB NOT NULL
) STRICT;
CREATE INDEX part_of_batch ON part (batch, first, last);
CREATE TABLE segment (
  batch    TEXT NOT NULL,
  number   INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  tags     TEXT NOT NULL,
  sha256   TEXT NOT NULL,
  packed   BLOB NOT NULL,
  PRIMARY KEY (batch, number)
) STRICT;
CREATE INDEX segment_in_time ON segment (batch, first, last);
CREATE TRIGGER segment_is_final BEFORE UPDATE ON segment
  BEGIN SELECT RAISE(ABORT, 'a segment is never changed'); END;
CREATE TRIGGER segment_is_kept BEFORE DELETE ON segment
  BEGIN SELECT RAISE(ABORT, 'a segment is never removed'); END;
"""

STATES = """
CREATE TABLE IF NOT EXISTS intake (
  batch TEXT PRIMARY KEY,
  crc   INTEGER NOT NULL,
  body  BLOB NOT NULL
) STRICT;
"""
"""What the intake of a batch must know to go on. Made when it is first kept: files of 0.2 have none."""
