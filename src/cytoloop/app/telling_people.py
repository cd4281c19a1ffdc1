"""Telling facts about people and rights: one sentence each, in both languages."""

from collections.abc import Sequence

from cytoloop.app.names import METHODS, named
from cytoloop.app.permissions import RIGHTS, ROLE_WORDS, role_named
from cytoloop.core.entry import Fact
from cytoloop.core.errors import UserError
from cytoloop.core.facts import people


def tell_people(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact of `core.facts.people`; None for another."""
    return _account(fact) or _access(fact)


def _account(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case people.PersonEnrolled() as f:
            kind = ("scripted person ", "脚本人员 ") if f.scripted else ("", "")
            return (
                f"{kind[0]}{f.printed_name} enrolled as {f.user}: {_roles(f.roles, 'en')}",
                f"{kind[1]}{f.printed_name} 建立账户 {f.user}：{_roles(f.roles, 'zh')}",
            )
        case people.RolesChanged() as f:
            return (
                f"roles of {f.user} changed from {_roles(f.old, 'en')} to {_roles(f.new, 'en')}: {f.reason}",
                f"{f.user} 的角色由 {_roles(f.old, 'zh')} 变更为 {_roles(f.new, 'zh')}：{f.reason}",
            )
        case people.EnrolmentCodeIssued() as f:
            return (
                f"one-time code for {f.user} issued by {f.issued_by}: {f.reason}",
                f"{f.issued_by} 为 {f.user} 签发一次性注册码：{f.reason}",
            )
        case people.CredentialSet() as f:
            return f"{f.user} set a credential: {f.method}", f"{f.user} 设置了凭证：{_method(f.method)}"
        case people.AccountConfirmed() as f:
            by = f.signature.printed_name if f.signature else None
            return (
                f"account {f.user} confirmed by {by or 'the other founder'}",
                f"账户 {f.user} 由 {by or '另一位创建人'} 确认",
            )
        case people.AccountLocked() as f:
            return (
                f"account {f.user} locked after {f.failures} wrong tries",
                f"账户 {f.user} 连续 {f.failures} 次验证失败，已锁定",
            )
        case people.AccountUnlocked() as f:
            by = f.signature.printed_name
            return f"account {f.user} unlocked by {by}: {f.reason}", f"账户 {f.user} 由 {by} 解锁：{f.reason}"
        case people.AccountClosed() as f:
            by = f.signature.printed_name
            return f"account {f.user} closed by {by}: {f.reason}", f"账户 {f.user} 由 {by} 关闭：{f.reason}"
        case _:
            return None


def _access(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case people.SignedIn() as f:
            return f"{f.user} signed in ({f.method})", f"{f.user} 登录（{_method(f.method)}）"
        case people.SignedOut() as f:
            idle = ("after idling", "闲置超时") if f.reason == "idle" else ("", "")
            return f"{f.user} signed out {idle[0]}".rstrip(), f"{f.user} 退出{idle[1]}"
        case people.MisuseAlerted() as f:
            return (
                f"possible misuse, {f.user or 'several accounts'}: {f.what}",
                f"疑似冒用 {f.user or '多个账户'}：{f.what}",
            )
        case people.ActRefused() as f:
            who = f"{f.user} ({_roles(f.roles, 'en')})" if f.roles else f.user or "somebody"
            return (
                f"{f.act} on {f.subject} refused to {who}: {f.reason}",
                f"拒绝 {f.user or '未知人员'} 对 {f.subject} {_act(f.act)}：{f.reason}",
            )
        case _:
            return None


OTHER_ACTS = {"sign": "签名", "sign-in": "登录", "set-credential": "设置凭证", "found": "创建人员"}
"""Acts that everybody may ask for, so that the permission table does not name them."""


def _method(method: str) -> str:
    return named(METHODS, method).zh


def _act(act: str) -> str:
    """An act in Chinese; one that this version does not know, as it stands."""
    known = {name: right.words.zh for name, right in RIGHTS.items()} | OTHER_ACTS
    return known.get(act, f"执行 {act}")


def _roles(roles: Sequence[str], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(_role(each, language) for each in roles)


def _role(role: str, language: str) -> str:
    """A role in words; a role this version does not know, as it stands."""
    try:
        words = ROLE_WORDS[role_named(role)]
    except UserError:
        return role
    return words.zh if language == "zh" else words.en
