"""The schema of a record in PostgreSQL: who owns it, who may append to it, and that nobody changes it.

The owner's role makes the schema and is not used afterwards. The application's role may read and append, nothing
else: it cannot change, remove or empty, nor drop a table or switch off a trigger, because it owns none of them.
"""

from typing import Any

from cytoloop.adapters.postgres.address import Address, address
from cytoloop.adapters.postgres.session import Session, said
from cytoloop.adapters.postgres.store import PostgresStore
from cytoloop.core.errors import StoreError, UserError

FORMAT = 1
"""Number of the schema's format, kept in its table `schema_version`."""

_SCHEMA = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.schema_version (format integer PRIMARY KEY);
CREATE TABLE {schema}.entry (
  sequence  bigint PRIMARY KEY,
  stream    text NOT NULL,
  position  bigint NOT NULL,
  name      text NOT NULL,
  body      bytea NOT NULL,
  leaf_hash bytea NOT NULL,
  UNIQUE (stream, position)
);
CREATE INDEX stream_begins ON {schema}.entry (sequence) WHERE position = 0;
CREATE TABLE {schema}.tree_head (size bigint PRIMARY KEY, root bytea NOT NULL);
CREATE TABLE {schema}.attestation (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  size   bigint NOT NULL,
  kind   text NOT NULL,
  body   bytea NOT NULL
);
CREATE UNIQUE INDEX attested_once ON {schema}.attestation (size, kind, sha256(body));
CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;
INSERT INTO {schema}.schema_version VALUES ({format});
"""

_FINAL = """
CREATE TRIGGER {table}_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.{table}
  FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse('{what} is never changed or removed');
ALTER TABLE {schema}.{table} ENABLE ALWAYS TRIGGER {table}_is_final;
"""

_TABLES = {"entry": "an entry", "tree_head": "a tree head", "attestation": "an attestation"}

_RIGHTS = """
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {schema}.schema_version TO {role};
GRANT SELECT, INSERT ON {schema}.entry, {schema}.tree_head, {schema}.attestation TO {role};
"""


def open_store(url: str, *, create: bool = False) -> PostgresStore:
    """The store at the address `url`: see `open_at`."""
    return open_at(address(url), create=create)


def open_at(where: Address, *, create: bool = False) -> PostgresStore:
    """The store at `where`.

    Raises UserError when there is none (and `create` is False), its format is not known, or it could lose what it
    acknowledges; StoreError when the server cannot be reached.
    """
    session = Session(where)
    try:
        if create and _format(session, where) is None:
            _make(session, where)
        _check_format(_format(session, where), where)
    except BaseException:
        session.close()
        raise
    return PostgresStore(session, where)


def holds_record(url: str) -> bool:
    """Whether there is a record at `url`; StoreError when the server cannot be reached."""
    where = address(url)
    session = Session(where)
    try:
        return _format(session, where) is not None
    finally:
        session.close()


def make_record(where: Address) -> bool:
    """An empty record at `where`; False when there was one, which is left as it is."""
    session = Session(where)
    try:
        found = _format(session, where)
        if found is None:
            _make(session, where)
        else:
            _check_format(found, where)
        return found is None
    finally:
        session.close()


def grant_to(role: str, where: Address) -> None:
    """Let `role` read the record at `where` and append to it, and nothing else.

    Called twice it changes nothing. UserError when there is no such role, or it is the owner's or a superuser's: rights
    do not bind those.
    """
    from psycopg import sql  # noqa: PLC0415  (extra `postgres`)

    session = Session(where)
    try:
        found = session.ask("SELECT rolsuper OR pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles "
                            "WHERE rolname = %s", (role,))  # fmt: skip
        if not found:
            raise UserError(f"the {where.shown} has no role {role!r}; make it with CREATE ROLE ... LOGIN PASSWORD ...")
        if found[0][0]:
            raise UserError(
                f"the role {role!r} owns the record or is above its owner, so no right binds it; name another role"
            )
        rights = sql.SQL(_RIGHTS).format(schema=sql.Identifier(where.schema), role=sql.Identifier(role))
        _execute(session, rights.as_string(session.connection), where)
    finally:
        session.close()


def rename_record(where: Address, to: Address) -> None:
    """Give the record at `where` the schema name of `to` in the same database, at once or not at all."""
    _on(where, f"ALTER SCHEMA {where.schema} RENAME TO {to.schema}")


def drop_record(where: Address) -> None:
    """Remove a record that never took its name: what a restore that was cut off has left."""
    _on(where, f"DROP SCHEMA IF EXISTS {where.schema} CASCADE")


def _on(where: Address, statement: str) -> None:
    session = Session(where)
    try:
        _execute(session, statement, where)
    finally:
        session.close()


def _format(session: Session, where: Address) -> int | None:
    """The format of the record at `where`; None when there is no such schema, 0 when it holds something else."""
    from psycopg.errors import InsufficientPrivilege  # noqa: PLC0415  (extra `postgres`)

    there = "SELECT to_regnamespace(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL"
    try:
        ((schema, version),) = session.ask(there, (where.schema, f"{where.schema}.schema_version"))
        if not version:
            return 0 if schema else None
        ((found,),) = session.ask(f"SELECT max(format) FROM {where.schema}.schema_version")
    except StoreError as error:
        if not isinstance(error.__cause__, InsufficientPrivilege):
            raise
        raise UserError(
            f"this role may not read the record in {where.shown} ({said(error.__cause__)}); let the owner run "
            "`cytoloop store init URL --app-role ROLE`"
        ) from error
    return int(found or 0)


def _check_format(found: int | None, where: Address) -> None:
    if found is None:
        raise UserError(
            f"there is no record in schema {where.schema!r} of {where.shown}; make one with `cytoloop store init`"
        )
    if found != FORMAT:
        what = f"a record of format {found}, and this version reads format {FORMAT}" if found else "something else"
        raise UserError(
            f"schema {where.schema!r} of {where.shown} holds {what}; use the version that wrote it, or name another "
            "schema (?schema=NAME)"
        )


def _make(session: Session, where: Address) -> None:
    final = "".join(_FINAL.format(schema=where.schema, table=table, what=what) for table, what in _TABLES.items())
    try:
        _execute(session, _SCHEMA.format(schema=where.schema, format=FORMAT) + final, where)
    except StoreError:
        if _format(session, where) is None:
            raise  # else another process made the same record at the same moment


def _execute(session: Session, statements: Any, where: Address) -> None:
    """Statements of the owner, all or none (one simple query is one transaction)."""
    import psycopg  # noqa: PLC0415  (extra `postgres`)

    try:
        session.tell(statements, binary=False)
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"this role may not do that in {where.shown} ({said(error)}); let the database's owner run `cytoloop "
            "store init URL --app-role ROLE`"
        ) from error
    except psycopg.Error as error:
        raise StoreError(f"the {where.shown} refused ({said(error)}); nothing was changed") from error
