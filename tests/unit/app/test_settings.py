"""Settings of a data folder: read strictly, mistakes named by file and line, secrets refused."""

from pathlib import Path

import pytest

from cytoloop.app.settings import FILE, OpenId, Passkeys, Settings, read_settings, write_settings
from cytoloop.core.errors import UserError


def test_a_folder_without_settings_has_the_defaults(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == Settings()
    (tmp_path / FILE).write_text("# nothing yet\n", encoding="utf-8")
    assert read_settings(tmp_path) == Settings()


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    whole = Settings(
        store="postgresql://line@db.example.org:5433/plant?schema=site_a",
        origin="example.org/上海/record",
        zone="Europe/Vienna",
        passkeys=Passkeys(
            rp_id="plant.example.org", origins=("https://plant.example.org", "https://b.plant.example.org:8443")
        ),
        openid=OpenId(issuer="https://id.example.org", client_id="cytoloop"),
    )
    write_settings(tmp_path / "new", whole)
    assert read_settings(tmp_path / "new") == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "zone: Asia/Shanghai\nstroe: x\n",
            r"cytoloop.yaml:2: stroe: found the unknown key 'stroe'.*did you mean 'store'",
        ),
        ("zone: Mars/Olympus\n", r"cytoloop.yaml:1: zone: found 'Mars/Olympus', expected an IANA name"),
        ("\nstore: mysql://x/y\n", r"cytoloop.yaml:2: store: found 'mysql://x/y', expected postgresql://"),
        ("store: postgresql://line:hush@db/plant\n", r"cytoloop.yaml:1: store: found a password, expected none"),
        ("store: postgresql://line@db/plant?password=hush\n", r"cytoloop.yaml:1: store: found a password"),
        ("origin: two words\n", r"cytoloop.yaml:1: origin: found 'two words'"),
        ("origin: a+b\n", r"cytoloop.yaml:1: origin: found 'a\+b'"),
        ("openid:\n  issuer: https://id.example.org\n", r"cytoloop.yaml:1: openid.*client_id"),
        ("passkeys:\n  origins: https://a\n", r"cytoloop.yaml:2: passkeys.origins"),
        (
            "passkeys:\n  rp_id: plant.example.org\n  origins: ['https://example.org']\n",
            r"cytoloop.yaml:3: passkeys.origins: found 'https://example.org', expected .*https://plant.example.org",
        ),
        ("passkeys:\n  rp_id: a.org\n  origins: ['http://a.org']\n", r"cytoloop.yaml:3: passkeys.origins: found"),
        ("passkeys:\n  rp_id: a.org\n  origins: ['https://a.org/x']\n", r"cytoloop.yaml:3: passkeys.origins: found"),
        ("passkeys:\n  rp_id: plant.example.org\n", r"cytoloop.yaml:1: passkeys.*found 'http://localhost:8818'"),
        ("passkeys:\n  origins: []\n", r"cytoloop.yaml:2: passkeys.origins: found 'none'"),
        (
            "openid:\n  issuer: http://id.example.org\n  client_id: a\n",
            r"cytoloop.yaml:2: openid.issuer: found 'http://id.example.org', expected .* https://",
        ),
        ("openid:\n  issuer: 'https://[::'\n  client_id: a\n", r"cytoloop.yaml:2: openid.issuer: found"),
        ("openid:\n  issuer: id.example.org\n  client_id: a\n", r"cytoloop.yaml:2: openid.issuer: found"),
        (
            "openid:\n  issuer: https://id\n  client_id: a\n  client_secret_env: hush-hush\n",
            r"cytoloop.yaml:4: openid.client_secret_env: found something else than the name",
        ),
        ("zone: [\n", r"cytoloop.yaml:1: "),
        ("- zone\n", r"cytoloop.yaml:1: "),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as told:
        read_settings(tmp_path)
    assert "hush" not in str(told.value)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"zone: \xff\n")
    with pytest.raises(UserError, match="save it as UTF-8"):
        read_settings(tmp_path)


def test_settings_that_would_not_be_read_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found a password"):
        write_settings(tmp_path, Settings(store="postgresql://line:hush@db/plant"))
    assert list(tmp_path.iterdir()) == []
