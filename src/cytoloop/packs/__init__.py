"""Therapies as data. Each folder is one pack; a user's own pack is such a folder anywhere."""
