"""A data folder whose record is kept in PostgreSQL: every command works on it, and the record is the same."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.contract.postgres_server import APP, OWNER, PostgresServer

from cytoloop.adapters.postgres import address, grant_to, holds_record, make_record, open_store
from cytoloop.app.records import readable_store

Cytoloop = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def folders(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same demonstration twice: its record in a file, and in a database where the product's role owns nothing."""
    database = postgres.database()
    where = address(postgres.url(database, OWNER))
    make_record(where)
    grant_to(APP, where)
    room = tmp_path_factory.mktemp("twice")
    stores = {"file": [], "server": ["--store", postgres.url(database, APP)]}
    demo = [sys.executable, "-m", "cytoloop.cli.main", "demo", "--patients", "1", "--no-serve", "--data"]
    running = [subprocess.Popen([*demo, str(room / name), *options]) for name, options in stores.items()]
    assert [each.wait() for each in running] == [0, 0]
    return {name: room / name for name in stores}


@pytest.fixture
def served(folders: dict[str, Path]) -> Path:
    """A data folder whose record is in a database."""
    return folders["server"]


@pytest.fixture
def filed(folders: dict[str, Path]) -> Path:
    """A data folder whose record is in a file."""
    return folders["file"]


def test_the_same_demonstration_ends_in_the_same_tree_head(cytoloop: Cytoloop, served: Path, filed: Path) -> None:
    assert not (served / "record.db").exists()
    over_server, over_file = (json.loads(cytoloop("verify", each, "--json").stdout) for each in (served, filed))
    assert over_server["tree_head"] == over_file["tree_head"]
    assert over_server["entries"] == over_file["entries"] > 500


@pytest.mark.parametrize(
    "command", [("batch", "list"), ("batch", "show", "B-C001"), ("recipe", "show", "1"), ("batch", "list", "--json")]
)
def test_commands_say_the_same_as_over_a_file(
    cytoloop: Cytoloop, served: Path, filed: Path, command: tuple[str, ...]
) -> None:
    over_server, over_file = cytoloop(*command, "--data", served), cytoloop(*command, "--data", filed)
    assert over_server.returncode == 0, over_server.stderr
    assert over_server.stdout == over_file.stdout


def test_a_changed_entry_is_found(cytoloop: Cytoloop, postgres: PostgresServer, served: Path, tmp_path: Path) -> None:
    """By an owner who takes the trigger away and puts it back."""
    copy = tmp_path / "copy"
    url = postgres.url(postgres.database())
    assert cytoloop("backup", "--data", served, "--to", tmp_path / "b").returncode == 0
    restored = cytoloop("restore", tmp_path / "b", "--to", copy, "--store", url, "--why", "a test")
    assert restored.returncode == 0, restored.stderr
    with postgres.connect(address(url).url.partition("@/")[2].partition("?")[0], OWNER) as owner:
        owner.execute("ALTER TABLE cytoloop.entry DISABLE TRIGGER ALL")
        owner.execute("UPDATE cytoloop.entry SET body = overlay(body placing '9' from 40) WHERE sequence = 123")
        owner.execute("ALTER TABLE cytoloop.entry ENABLE ALWAYS TRIGGER entry_is_final")
    done = cytoloop("verify", copy)
    assert done.returncode == 1
    assert "entry 123 does not fit" in done.stderr


def test_a_demonstration_does_not_go_into_a_record_that_is_there(
    cytoloop: Cytoloop, postgres: PostgresServer, served: Path, tmp_path: Path
) -> None:
    url = (served / "cytoloop.yaml").read_text(encoding="utf-8").partition("store: ")[2].splitlines()[0]
    done = cytoloop("demo", "--patients", "1", "--no-serve", "--data", tmp_path / "new", "--store", url)
    assert done.returncode == 2
    assert "the database holds a record of" in done.stderr
    assert not (tmp_path / "new").exists()


def test_two_folders_share_one_record(cytoloop: Cytoloop, postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.fresh()
    assert cytoloop("store", "init", url).returncode == 0
    for name in ("here", "there"):
        done = cytoloop("init", tmp_path / name, "--store", url, "--origin", "example.org/record")
        assert done.returncode == 0, done.stderr
    (tmp_path / "fhir").mkdir()
    (tmp_path / "fhir" / "a.json").write_text('{"resourceType": "Patient", "id": "p1"}', encoding="utf-8")
    assert cytoloop("import", "fhir", tmp_path / "fhir", "--data", tmp_path / "here").returncode == 0
    with readable_store(tmp_path / "there") as store:
        assert store.streams("subject/")


def test_a_folder_that_shares_a_record_says_where_the_readings_are(
    cytoloop: Cytoloop, served: Path, tmp_path: Path
) -> None:
    """The readings are in the folder whose line took them; without a word about it, missing ones are a finding."""
    office = tmp_path / "office"
    office.mkdir()
    settings = (served / "cytoloop.yaml").read_text(encoding="utf-8")
    (office / "cytoloop.yaml").write_text(settings, encoding="utf-8")
    assert "is missing with all telemetry" in cytoloop("verify", office).stderr
    said = settings.replace("telemetry: whole", "telemetry: part")
    (office / "cytoloop.yaml").write_text(said, encoding="utf-8")
    done = cytoloop("verify", office)
    assert done.returncode == 0, done.stderr
    assert "segments are in other folders of this record: not checked here" in done.stdout
    assert cytoloop("backup", "--data", office, "--to", tmp_path / "office.backup").returncode == 0


def test_a_password_in_the_address_is_refused_before_a_schema_is_made(
    cytoloop: Cytoloop, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.fresh()
    done = cytoloop("init", tmp_path / "data", "--store", url.replace(OWNER, f"{OWNER}:secret", 1))
    assert done.returncode == 2
    assert "found a password, expected none" in done.stderr
    assert "secret" not in done.stderr
    assert not holds_record(url)
    assert not (tmp_path / "data").exists()


def test_a_folder_in_use_is_not_made_again(cytoloop: Cytoloop, tmp_path: Path) -> None:
    assert cytoloop("init", tmp_path / "data").returncode == 0
    again = cytoloop("init", tmp_path / "data", "--origin", "example.org/other")
    assert again.returncode == 2
    assert "is in use already" in again.stderr


def test_a_server_that_stopped_is_named_by_every_command(cytoloop: Cytoloop, tmp_path: Path) -> None:
    (tmp_path / "cytoloop.yaml").write_text("store: postgresql://line@127.0.0.1:1/plant\n", encoding="utf-8")
    for command in (("verify", tmp_path), ("batch", "list", "--data", tmp_path)):
        done = cytoloop(*command)
        assert done.returncode == 2
        assert "database plant at 127.0.0.1:1 cannot be reached" in done.stderr


def test_without_the_package_one_sentence_says_what_to_install(
    cytoloop: Cytoloop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (tmp_path / "cytoloop.yaml").write_text("store: postgresql://line@127.0.0.1:1/plant\n", encoding="utf-8")
    done = cytoloop("batch", "list", "--data", tmp_path)
    assert done.returncode == 2
    assert "pip install 'cytoloop[postgres]'" in done.stderr


def test_the_roles_of_a_running_line_may_not_change_the_record(postgres: PostgresServer, served: Path) -> None:
    url = (served / "cytoloop.yaml").read_text(encoding="utf-8").partition("store: ")[2].splitlines()[0]
    store = open_store(url)
    ((role, owner),) = store._session.ask("SELECT current_user, tableowner FROM pg_tables WHERE tablename = 'entry'")
    assert (role, owner) == (APP, OWNER)
    store.close()
