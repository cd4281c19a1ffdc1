"""Signed notes as C2SP specifies them: vectors of others, and what must be refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.adapters.keys import SigningKey, new_key
from cytoloop.core.errors import FindingError, UserError
from cytoloop.record.note import (
    COSIGNATURE,
    Note,
    SignatureLine,
    VerifierKey,
    check_name,
    check_note,
    cosign_text,
    parse_key,
    parse_note,
    sign_text,
    verifier_of,
)

KEY = new_key("example.org/record")
TEXT = "example.org/record\n3\nAAAA\n"
GOOD = Note(TEXT, (sign_text(TEXT, KEY),))

PUBLISHED = {
    "Go, golang.org/x/mod/sumdb/note": (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
    "Elixir, signed_note": (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n",
        "— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
}
"""Notes that others published in the manuals of their libraries: key, text, signature line."""


@pytest.mark.parametrize("source", PUBLISHED)
def test_notes_that_others_published_are_read_checked_and_written_back(source: str) -> None:
    vkey, text, line = PUBLISHED[source]
    key, document = parse_key(vkey), f"{text}\n{line}"
    note = parse_note(document)
    (verified,) = check_note(note, [key])
    assert (note.text, verified.key, verified.at) == (text, key, None)
    assert (note.document, key.text) == (document, vkey)


def test_a_text_with_empty_lines_is_split_at_the_last_one() -> None:
    text = "one\n\ntwo\n\n\n"
    note = Note(text, (sign_text(text, KEY),))
    assert parse_note(note.document) == note
    check_note(parse_note(note.document), [verifier_of(KEY)])


@given(st.text(st.characters(exclude_categories=["Cs"], min_codepoint=32), max_size=200))
def test_any_text_without_control_characters_comes_back(text: str) -> None:
    note = Note(f"{text}\n", (sign_text(f"{text}\n", KEY),))
    assert parse_note(note.document) == note
    assert check_note(note, [verifier_of(KEY)])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("", id="nothing"),
        pytest.param("text\n", id="no signatures"),
        pytest.param(f"text\n\n{GOOD.lines[0].text}", id="no newline at the end"),
        pytest.param(f"{TEXT}{GOOD.lines[0].text}\n", id="no blank line"),
        pytest.param("text\n\n", id="blank line and nothing"),
        pytest.param(f"te\txt\n\n{GOOD.lines[0].text}\n", id="tab"),
        pytest.param(f"text\r\n\r\n{GOOD.lines[0].text}\r\n", id="carriage return"),
        pytest.param("text\n\n- name AAAAAAAAAA==\n", id="hyphen for the dash"),
        pytest.param("text\n\n— name AAAA\n", id="key id alone"),
        pytest.param("text\n\n— name AAAA!AAA\n", id="not base64"),
        pytest.param("text\n\n— a+b AAAAAAAAAA==\n", id="plus in the name"),
        pytest.param("text\n\n— a b AAAAAAAAAA==\n", id="space in the name"),
        pytest.param("text\n\n— a AAAAAAAAAA== x\n", id="something behind"),
        pytest.param("text\n\n" + f"{GOOD.lines[0].text}\n" * 101, id="too many lines"),
    ],
)
def test_what_is_not_a_note_is_refused(document: str) -> None:
    with pytest.raises(UserError, match="note"):
        parse_note(document)


def test_an_altered_text_or_signature_is_found() -> None:
    key = verifier_of(KEY)
    with pytest.raises(FindingError, match="text was altered"):
        check_note(Note(TEXT.replace("3", "4"), GOOD.lines), [key])
    line = GOOD.lines[0]
    for at in range(len(line.signature)):
        bad = bytes(each ^ (place == at) for place, each in enumerate(line.signature))
        with pytest.raises(FindingError, match="not by its key"):
            check_note(Note(TEXT, (SignatureLine(line.name, line.key_id, bad),)), [key])


def test_a_note_of_unknown_keys_proves_nothing_and_says_whose_they_are() -> None:
    other = new_key("example.org/record")
    with pytest.raises(FindingError, match=f"example.org/record \\(key {GOOD.lines[0].key_id.hex()}\\)"):
        check_note(GOOD, [verifier_of(other), verifier_of(KEY, COSIGNATURE)])
    with pytest.raises(FindingError, match="none of the keys"):
        check_note(GOOD, [verifier_of(KEY.named("example.org/other"))])


def test_a_known_key_that_does_not_fit_refuses_the_note_even_beside_a_good_one() -> None:
    other = new_key("example.org/other")
    wrong = Note(TEXT, (*GOOD.lines, sign_text("another text\n", other)))
    with pytest.raises(FindingError, match=r"signature of example\.org/other"):
        check_note(wrong, [verifier_of(KEY), verifier_of(other)])
    assert check_note(wrong, [verifier_of(KEY)])


def test_a_witness_signs_its_time_too() -> None:
    witness, at = new_key("witness.example/w1"), datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    line = cosign_text(TEXT, witness, at)
    key = verifier_of(witness, COSIGNATURE)
    (verified,) = check_note(Note(TEXT, (line,)), [key])
    assert verified.at == int(at.timestamp())
    later = SignatureLine(line.name, line.key_id, (verified.at + 1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(FindingError, match="not by its key"):
        check_note(Note(TEXT, (later,)), [key])
    with pytest.raises(FindingError, match="not by its key"):
        check_note(Note(TEXT, (SignatureLine(line.name, line.key_id, line.signature[:20]),)), [key])


def test_the_message_of_a_cosignature_is_the_one_of_the_specification() -> None:
    """C2SP tlog-cosignature, "Ed25519 signed message"."""
    heard: list[bytes] = []

    class Heard(SigningKey):
        def sign(self, message: bytes) -> bytes:
            heard.append(message)
            return bytes(64)

    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    line = cosign_text(text, Heard("w", KEY._private), datetime.fromtimestamp(1679315147, tz=UTC))
    assert heard == [f"cosignature/v1\ntime 1679315147\n{text}".encode()]
    assert line.signature[:8].hex() == "000000006418" + "50cb"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\tb", "a\nb", "a\u00a0b"])
def test_a_name_with_a_space_or_a_plus_sign_names_no_key(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a key"):
        check_name(name)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nothing", id="nothing"),
        pytest.param("a+00000000+!!!", id="not base64"),
        pytest.param("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", id="wrong id"),
        pytest.param(VerifierKey("a", 1, b"short").text, id="too short"),
        pytest.param("PeterNeumann+c74f20a3+AhpcZQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", id="another type"),
    ],
)
def test_what_is_not_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="key"):
        parse_key(text)
