"""The schema of an engine: made by the database's owner, used by the product's role.

The engine's tables hold nothing that the record does not tell: which batch is to be woken when. So a schema that
another version of the library made is dropped and made anew, and workers fill it again from the record.
"""

from contextlib import closing
from hashlib import sha256
from typing import Any

from cytoloop.adapters.engine.address import EngineAddress, library
from cytoloop.core.errors import StoreError, UserError

_MAKE = """
CREATE SCHEMA {schema};
{tables}
COMMENT ON SCHEMA {schema} IS {mark};
"""

_RIGHTS = """
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
"""

_MARKED = "SELECT oid IS NOT NULL, obj_description(oid, 'pg_namespace') FROM (SELECT to_regnamespace(%s) AS oid) AS it"
MADE_BY_US = "cytoloop engine"


def make_engine(address: EngineAddress, role: str | None = None) -> bool:
    """The schema of an engine at `address`, as its owner; False when it was there. `role` may then use it.

    UserError when the schema holds something else or this role may not make it; StoreError when the server refuses.
    """
    from psycopg import sql  # noqa: PLC0415  (extra `worker`)

    with closing(_connected(address)) as connection:
        found = _mark(connection, address)
        if found not in (None, _expected()):
            _tell(connection, address, f"DROP SCHEMA {address.schema} CASCADE")
        if found != _expected():
            mark = sql.Literal(_expected()).as_string(connection)
            tables = library().schema.SchemaManager.get_schema()
            _tell(connection, address, _MAKE.format(schema=address.schema, tables=tables, mark=mark))
        if role is not None:
            rights = sql.SQL(_RIGHTS).format(schema=sql.Identifier(address.schema), role=sql.Identifier(role))
            _tell(connection, address, rights.as_string(connection))
    return found != _expected()


def check_engine(address: EngineAddress) -> None:
    """UserError when there is no engine at `address`, or another version made it."""
    with closing(_connected(address)) as connection:
        found = _mark(connection, address)
    if found is None:
        raise UserError(
            f"there is no engine for workers in schema {address.schema!r} of {address.shown}; let the database's owner "
            "run `cytoloop store init URL --app-role ROLE --workers`"
        )
    if found != _expected():
        raise UserError(
            f"the engine in schema {address.schema!r} of {address.shown} was made for another version ({found}); stop "
            "all workers and let the database's owner run `cytoloop store init URL --app-role ROLE --workers`"
        )


def _expected() -> str:
    """How a schema is marked that this version can use."""
    tables = library().schema.SchemaManager.get_schema()
    return f"{MADE_BY_US}, procrastinate tables {sha256(tables.encode()).hexdigest()[:16]}"


def _mark(connection: Any, address: EngineAddress) -> str | None:
    """How the schema is marked; None when there is none. UserError when it is not an engine's."""
    there, mark = connection.execute(_MARKED, (address.schema,)).fetchone()
    if not there:
        return None
    if not (mark or "").startswith(MADE_BY_US):
        raise UserError(
            f"schema {address.schema!r} of {address.shown} holds something else than an engine; rename it, or name "
            "another schema for the record (?schema=NAME)"
        )
    return str(mark)


def _tell(connection: Any, address: EngineAddress, statements: str) -> None:
    """Statements of the owner, all or none (one simple query is one transaction)."""
    import psycopg  # noqa: PLC0415  (extra `worker`)

    try:
        connection.execute(statements, binary=False)
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"this role may not do that in {address.shown} ({_said(error)}); let the database's owner run `cytoloop "
            "store init URL --app-role ROLE --workers`"
        ) from error
    except psycopg.Error as error:
        raise StoreError(f"the {address.shown} refused ({_said(error)}); nothing was changed") from error


def _connected(address: EngineAddress) -> Any:
    library()
    import psycopg  # noqa: PLC0415  (extra `worker`)

    try:
        return psycopg.connect(address.url, autocommit=True, **address.arguments)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise StoreError(
            f"the {address.shown} cannot be reached ({_said(error)}); check the address, the role and its password "
            "(PGPASSWORD or PGPASSFILE), and that the server runs"
        ) from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
