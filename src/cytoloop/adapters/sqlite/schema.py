"""What the file of the embedded store holds.

Triggers refuse to change, remove or replace what is kept, so that a slip of a tool shows at once; tampering that goes
round them is found by the tree. (REPLACE removes a row without asking the triggers of DELETE.)
"""

FORMAT = 2
"""Number of the file's format, kept in `PRAGMA user_version`."""

SCHEMA = """
CREATE TABLE entry (
  sequence  INTEGER PRIMARY KEY,
  stream    TEXT NOT NULL,
  position  INTEGER NOT NULL,
  name      TEXT NOT NULL,
  body      BLOB NOT NULL,
  leaf_hash BLOB NOT NULL,
  UNIQUE (stream, position)
) STRICT;
CREATE TABLE tree_head (size INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT;
CREATE TABLE attestation (
  number INTEGER PRIMARY KEY,
  size   INTEGER NOT NULL,
  kind   TEXT NOT NULL,
  body   BLOB NOT NULL,
  UNIQUE (size, kind, body)
) STRICT;
CREATE TRIGGER entry_is_final BEFORE UPDATE ON entry
  BEGIN SELECT RAISE(ABORT, 'an entry is never changed'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'an entry is never removed'); END;
CREATE TRIGGER entry_is_not_replaced BEFORE INSERT ON entry
  WHEN EXISTS (SELECT 1 FROM entry WHERE sequence = NEW.sequence)
    OR EXISTS (SELECT 1 FROM entry WHERE stream = NEW.stream AND position = NEW.position)
  BEGIN SELECT RAISE(ABORT, 'an entry is never replaced'); END;
CREATE TRIGGER tree_head_is_final BEFORE UPDATE ON tree_head
  BEGIN SELECT RAISE(ABORT, 'a tree head is never changed'); END;
CREATE TRIGGER tree_head_is_kept BEFORE DELETE ON tree_head
  BEGIN SELECT RAISE(ABORT, 'a tree head is never removed'); END;
CREATE TRIGGER tree_head_is_not_replaced BEFORE INSERT ON tree_head
  WHEN EXISTS (SELECT 1 FROM tree_head WHERE size = NEW.size)
  BEGIN SELECT RAISE(ABORT, 'a tree head is never replaced'); END;
CREATE TRIGGER attestation_is_final BEFORE UPDATE ON attestation
  BEGIN SELECT RAISE(ABORT, 'an attestation is never changed'); END;
CREATE TRIGGER attestation_is_kept BEFORE DELETE ON attestation
  BEGIN SELECT RAISE(ABORT, 'an attestation is never removed'); END;
CREATE TRIGGER attestation_is_not_replaced BEFORE INSERT ON attestation
  WHEN EXISTS (SELECT 1 FROM attestation WHERE number = NEW.number)
  BEGIN SELECT RAISE(ABORT, 'an attestation is never replaced'); END;
"""

PAGE = 2048
"""Bytes of a page. An append writes a few pages whole, so small ones make it quicker; smaller still slows reading."""
