"""Security of the connection: policies, certificates and sign-in, on the server's side and on the door's."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from cytoloop.adapters.opcua.certificates import KEY, OWN, Judged, judge, own_certificate, trusted, uris, wall
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.users import Users
from cytoloop.core.errors import UserError

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
MODES = ("Sign", "SignAndEncrypt")
DEFAULT = ("Aes256Sha256RsaPss", "SignAndEncrypt")
PASSWORD = "CYTOLOOP_OPCUA_PASSWORD"
"""Environment variable with the password of the sign-in."""
ANSWERS: Mapping[str, str] = {
    "untrusted": "BadCertificateUntrusted",
    "expired": "BadCertificateTimeInvalid",
    "not-yet-valid": "BadCertificateTimeInvalid",
    "wrong-uri": "BadCertificateUriInvalid",
    "no-uri": "BadCertificateUriInvalid",
}
"""Fault of a client's certificate -> StatusCode that the server answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSecurity:
    """What a server asks of its clients. Without a folder: no certificates, no encryption."""

    folder: Path | None = None
    """Security folder (see `certificates`)."""
    users: Path | None = None
    """File of user names and password hashes; left out, nobody signs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a door gets in. Without a folder: no certificates, no encryption."""

    folder: Path | None = None
    policy: str = DEFAULT[0]
    mode: str = DEFAULT[1]
    user: str = ""
    password_file: Path | None = None
    """Left out: the environment variable CYTOLOOP_OPCUA_PASSWORD."""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES or self.mode not in MODES:
            raise UserError(
                f"there is no security {self.policy}/{self.mode}; take one of {', '.join(POLICIES)} with "
                f"{' or '.join(MODES)}"
            )


async def secure_server(server: Any, security: ServerSecurity) -> None:
    """Set a server that is not started yet up as `security` says; UserError when its folder or users are not right."""
    asyncua, folder = library(), security.folder
    ua = asyncua.ua
    users = Users.read(security.users) if security.users is not None else None
    server.set_identity_tokens([ua.UserNameIdentityToken] if users else [ua.AnonymousIdentityToken])
    server.iserver.user_manager = Gate(users=users, folder=folder)
    if folder is None:
        if users is not None:
            raise UserError(
                "passwords do not go over a connection without encryption; name a security folder for the server"
            )
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return
    own = own_certificate(folder, wall())
    await server.set_application_uri(_own_uri(own, folder))
    await server.load_certificate(folder / OWN)
    await server.load_private_key(folder / KEY)
    names = [f"{policy}_{mode}" for policy in POLICIES for mode in MODES]
    server.set_security_policy([getattr(ua.SecurityPolicyType, name) for name in names])
    server.iserver.certificate_validator = _validator(folder)


def _validator(folder: Path) -> Any:
    ua = library().ua
    from asyncua.common.utils import ServiceError  # noqa: PLC0415  (the library is an extra)

    async def validate(certificate: x509.Certificate, client: Any) -> None:
        judged = judge(certificate, str(client.ApplicationUri), folder, wall(), "the client's certificate")
        if judged is not None:
            raise ServiceError(getattr(ua.StatusCodes, ANSWERS[judged.fault]))

    return validate


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may activate a session, asked by the library with what it made of the sign-in.

    With a security folder the certificate of the channel itself has to be a trusted one: a channel without security,
    or one that was opened with another certificate than the session names, gets nobody in.
    """

    users: Users | None
    folder: Path | None

    def get_user(
        self, _server: Any, username: str | None = None, password: str | None = None, certificate: bytes | None = None
    ) -> Any:
        from asyncua.crypto.permission_rules import User, UserRole  # noqa: PLC0415  (the library is an extra)

        if self.folder is not None and not self._channel_trusted(certificate, self.folder):
            return None
        if self.users is not None and not self.users.match(username or "", password or ""):
            return None
        return User(role=UserRole.User, name=username)

    @staticmethod
    def _channel_trusted(certificate: bytes | None, folder: Path) -> bool:
        return bool(certificate) and trusted(x509.load_der_x509_certificate(certificate or b""), folder)


async def secure_client(client: Any, access: Access, endpoint: str) -> None:
    """Set a client that is not connected yet up as `access` says.

    UserError with one sentence when our certificate, the server's or the sign-in is not right.
    """
    if access.user:
        if access.folder is None:
            raise UserError(
                f"the password of {access.user} goes over no connection without encryption; name a security folder"
            )
        client.set_user(access.user)
        client.set_password(password_of(access))
    if access.folder is None:
        return
    asyncua = library()
    own = own_certificate(access.folder, wall())
    client.application_uri = _own_uri(own, access.folder)
    server = await _server_certificate(client, access, endpoint)
    await client.set_security(
        getattr(asyncua.crypto.security_policies, f"SecurityPolicy{access.policy}"),
        access.folder / OWN,
        access.folder / KEY,
        server_certificate=server,
        mode=getattr(asyncua.ua.MessageSecurityMode, access.mode),
    )


async def _server_certificate(client: Any, access: Access, endpoint: str) -> bytes:
    """The server's certificate as it offers it, judged before anything is sent under it."""
    ua, folder = library().ua, access.folder
    assert folder is not None, "asked with a security folder only"
    mode = getattr(ua.MessageSecurityMode, access.mode)
    offers = await client.connect_and_get_server_endpoints()
    fitting = [
        o for o in offers if o.SecurityMode == mode and o.SecurityPolicyUri.endswith(f"#{uri_of(access.policy)}")
    ]
    if not fitting:
        known = sorted({f"{o.SecurityPolicyUri.rpartition('#')[2]}/{o.SecurityMode.name.rstrip('_')}" for o in offers})
        raise UserError(
            f"{endpoint} does not offer {access.policy}/{access.mode} but {', '.join(known)}; name one of these"
        )
    offer = fitting[0]
    certificate = x509.load_der_x509_certificate(_first(offer.ServerCertificate))
    whose = f"the certificate of {endpoint}"
    judged: Judged | None = judge(certificate, str(offer.Server.ApplicationUri), folder, wall(), whose)
    if judged is not None:
        raise UserError(judged.sentence)
    return _first(offer.ServerCertificate)


def uri_of(policy: str) -> str:
    """The end of a policy's URI (OPC 10000-7): the library spells two of them otherwise."""
    return {"Aes128Sha256RsaOaep": "Aes128_Sha256_RsaOaep", "Aes256Sha256RsaPss": "Aes256_Sha256_RsaPss"}.get(
        policy, policy
    )


def password_of(access: Access) -> str:
    """The password of the sign-in, from its file or the environment; UserError when there is none."""
    password = password_from(access.password_file)
    if not password:
        raise UserError(f"no password for {access.user}: put it in a file and name it, or in {PASSWORD}")
    return password


def password_from(path: Path | None) -> str:
    """What a password file holds, without one the environment; "" when there is none. UserError for a loose file."""
    if path is None:
        return os.environ.get(PASSWORD, "")
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UserError(f"{path} can be read by others than its owner; run: chmod 600 {path}")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise UserError(f"the password file {path} cannot be read ({error.strerror}); name one that can") from error


def refused(error: Any, endpoint: str, access: Access) -> str | None:
    """What a server's refusal of a connection means, with the remedy; None when it is none of ours to explain."""
    who, own = access.user or "somebody without a name", f"{access.folder}/{OWN}"
    meanings = {
        "BadCertificateUntrusted": f"{endpoint} does not trust our certificate; have its owner trust {own}",
        "BadCertificateTimeInvalid": f"{endpoint} finds our certificate out of its time; compare both clocks",
        "BadCertificateUriInvalid": f"{endpoint} finds another URI in our certificate than we call ourselves; renew it",
        "BadIdentityTokenRejected": f"{endpoint} does not let {who} in; name a user it knows and a password",
        "BadIdentityTokenInvalid": f"{endpoint} cannot read the sign-in of {who}; name a user it knows and a password",
        "BadUserAccessDenied": f"{endpoint} refuses {who}: name, password or certificate is not right; mend it",
        "BadSecurityPolicyRejected": f"{endpoint} does not take {access.policy}; name another policy",
        "BadSecurityChecksFailed": f"{endpoint} refuses our certificate; have its owner trust {own}",
    }  # fmt: skip
    return meanings.get(type(error).__name__)


def _own_uri(certificate: x509.Certificate, folder: Path) -> str:
    known = uris(certificate)
    if not known:
        raise UserError(f"the certificate in {folder / OWN} names no application URI; make a new one")
    return known[0]


def _first(chain: bytes) -> bytes:
    """The first certificate of a chain: what its outer SEQUENCE holds."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]
