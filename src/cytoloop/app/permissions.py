"""Permissions: one table. Who may do what, and who may not because of what they did before.

Authority checks: 21 CFR 11.10(g), EU GMP Annex 11 §12; only qualified persons certify a release: Annex 11 §15.
Segregation of duties: nobody verifies or releases their own work (21 CFR 211.192, EU GMP Annex 16 in spirit), and
nobody alone can make an account that signs (21 CFR 11.200(a)(3)).

Every act of the table is asked for somewhere in the product; an act that nobody asks for is not in it (a test looks).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.signature import Signature
from cytoloop.core.words import Words

Role = Literal[
    "operator",
    "process_scientist",
    "qa",
    "qualified_person",
    "clinician",
    "principal_investigator",
    "planner",
    "inspector",
    "administrator",
]

ROLES: tuple[Role, ...] = get_args(Role)

READERS: tuple[Role, ...] = ("qa", "qualified_person", "process_scientist", "inspector")
"""Roles that may take a batch out of the house."""

ALONE: frozenset[Role] = frozenset({"administrator", "inspector"})
"""Roles that go with no other: who runs the accounts has no part in the process, who inspects has none at all."""

ROLE_WORDS: Mapping[Role, Words] = {
    "operator": Words(en="operator", zh="操作人员"),
    "process_scientist": Words(en="process scientist", zh="工艺科学家"),
    "qa": Words(en="quality assurance", zh="质量保证"),
    "qualified_person": Words(en="qualified person", zh="受权人"),
    "clinician": Words(en="clinician", zh="临床医师"),
    "principal_investigator": Words(en="principal investigator", zh="主要研究者"),
    "planner": Words(en="planner", zh="计划员"),
    "inspector": Words(en="inspector", zh="检查员"),
    "administrator": Words(en="administrator", zh="管理员"),
}

Act = Literal[
    "approve-recipe",
    "create-batch",
    "sign-change",
    "release-model",
    "dispose",
    "close-deviation",
    "resolve-step",
    "answer",
    "verify-answer",
    "hold-batch",
    "lift-hold",
    "abort-batch",
    "review-record",
    "correct-value",
    "acknowledge-alarm",
    "register-equipment",
    "calibrate-equipment",
    "clean-equipment",
    "stop-equipment",
    "return-equipment",
    "qualify-person",
    "look-up-identity",
    "erase-identity",
    "rekey-identities",
    "enrol",
    "confirm-account",
    "unlock",
    "change-roles",
    "close-account",
    "reset-account",
    "read-record",
    "export-bundle",
]

Apart = Literal["not-an-actor", "not-the-owner", "not-the-issuer", "not-who-answered"]
"""not-an-actor      took no part in the batch
not-the-owner     it is not their own account, nor their own qualification
not-the-issuer    gave neither the account nor the code its credential was set with
not-who-answered  did not give the answer that is to be confirmed"""

APART_WORDS: Mapping[Apart, Words] = {
    "not-an-actor": Words(en="took no part in this batch", zh="未参与该批次"),
    "not-the-owner": Words(en="it is not their own account or qualification", zh="不是本人账户或资格"),
    "not-the-issuer": Words(en="did not issue the account or its code", zh="不是账户或其注册码的签发人"),
    "not-who-answered": Words(en="did not give the answer", zh="不是作答人"),
}

_WHY: Mapping[Apart, Words] = {
    "not-an-actor": Words(en="took part in this batch", zh="参与了该批次"),
    "not-the-owner": Words(en="would act on their own account or qualification", zh="不能处理本人账户或资格"),
    "not-the-issuer": Words(en="issued this account or its code", zh="签发了该账户或其注册码"),
    "not-who-answered": Words(en="gave this answer", zh="是该答复的作答人"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Who may do one act."""

    roles: frozenset[Role]
    words: Words
    apart: tuple[Apart, ...] = ()
    """Who may not, although the role may."""
    writes: bool = True
    """False for what changes nothing: an inspector holds such rights only."""


def _right(en: str, zh: str, *roles: Role, apart: tuple[Apart, ...] = (), writes: bool = True) -> Right:
    return Right(roles=frozenset(roles), words=Words(en=en, zh=zh), apart=apart, writes=writes)


_ACTOR: tuple[Apart, ...] = ("not-an-actor",)
_OWNER: tuple[Apart, ...] = ("not-the-owner",)
_ISSUER: tuple[Apart, ...] = ("not-the-owner", "not-the-issuer")
_SECOND: tuple[Apart, ...] = ("not-who-answered",)

ASKED: tuple[Role, ...] = (
    "operator", "process_scientist", "qa", "qualified_person", "clinician", "principal_investigator", "planner",
)  # fmt: skip
"""Roles that a recipe may ask; who answers holds the role that was asked."""

RIGHTS: Mapping[Act, Right] = {
    "approve-recipe": _right("approve a recipe version", "批准配方版本", "qualified_person"),
    "create-batch": _right("have a batch created", "创建批次", "planner", "process_scientist"),
    "sign-change": _right("sign a change", "签署变更", "principal_investigator", "qualified_person"),
    "release-model": _right("release a twin version", "放行孪生版本", "qa"),
    "dispose": _right("sign a disposition", "签署批处置", "qualified_person", apart=_ACTOR),
    "close-deviation": _right("decide on a deviation", "对偏差作出决定", "qa"),
    "resolve-step": _right("say what became of a step in doubt", "澄清待定步骤", "operator"),
    "answer": _right("answer what the own role is asked", "回答本角色收到的请求", *ASKED),
    "verify-answer": _right("confirm somebody else's answer", "复核他人的答复", *ASKED, apart=_SECOND),
    "hold-batch": _right("hold a batch", "暂停批次", "operator", "qa", "process_scientist", "qualified_person"),
    "lift-hold": _right("lift a hold", "解除暂停", "qa", "qualified_person"),
    "abort-batch": _right("abort a batch", "中止批次", "qa", "qualified_person"),
    "review-record": _right("review a batch record", "审核批记录", "qa", apart=_ACTOR),
    "correct-value": _right("correct a value that was typed", "更正录入值", "operator", "qa"),
    "acknowledge-alarm": _right("acknowledge an alarm", "确认报警", "operator", "process_scientist", "qa"),
    "register-equipment": _right("put a unit into the equipment register", "登记设备", "qa"),
    "calibrate-equipment": _right("say that a unit was calibrated", "记录设备校准", "process_scientist", "qa"),
    "clean-equipment": _right("say that a unit was cleaned", "记录设备清洁", "operator", "qa"),
    "stop-equipment": _right("take a unit out of service", "停用设备", "operator", "process_scientist", "qa"),
    "return-equipment": _right("return a unit to service", "恢复设备使用", "qa"),
    "qualify-person": _right("qualify a person, or withdraw it", "授予或撤销人员资格", "qa", apart=("not-the-owner",)),
    "look-up-identity": _right("look up who a pseudonym is", "查询假名身份", "clinician", "principal_investigator"),
    "erase-identity": _right("erase who a pseudonym is", "删除假名对应的身份", "principal_investigator"),
    "rekey-identities": _right("encrypt the identity map anew", "更换身份对照表密钥", "administrator"),
    "enrol": _right("make an account", "建立账户", "administrator"),
    "confirm-account": _right("confirm who set a credential", "确认凭证设置人", "administrator", "qa", apart=_ISSUER),
    "unlock": _right("unlock an account", "解锁账户", "administrator", apart=_OWNER),
    "change-roles": _right("change a person's roles", "变更人员角色", "administrator", apart=_OWNER),
    "close-account": _right("close an account", "关闭账户", "administrator", apart=_OWNER),
    "reset-account": _right("issue a new code for an account", "签发新注册码", "administrator", apart=_OWNER),
    "read-record": _right("read the record", "查阅记录", *ROLES, writes=False),
    "export-bundle": _right("take a batch out as a bundle", "导出批次包", *READERS, writes=False),
}
"""The table."""

MAY: Mapping[Act, frozenset[str]] = {act: frozenset(right.roles) for act, right in RIGHTS.items()}
"""Act -> roles that may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Who stands too near to what is asked for, by reason."""

    actors: frozenset[str] = frozenset()
    """Who took part in the batch."""
    owner: str = ""
    """Whose account it is."""
    issuers: frozenset[str] = frozenset()
    """Who issued the account or its code."""
    answered: str = ""
    """Who gave the answer."""

    def near(self, apart: Apart) -> frozenset[str]:
        """Whom `apart` keeps away."""
        match apart:
            case "not-an-actor":
                return self.actors
            case "not-the-issuer":
                return self.issuers
            case "not-the-owner":
                return frozenset({self.owner})
            case "not-who-answered":
                return frozenset({self.answered})


NOBODY = Circle()


def check(act: Act, signature: Signature, *, actors: frozenset[str] = frozenset()) -> None:
    """RefusedError unless the signer's role may do `act` and the signer took no part where that is demanded."""
    allow(act, signature.signer, (signature.role,), Circle(actors=actors))


def allow(act: Act, user: str, roles: Sequence[str], circle: Circle = NOBODY) -> Role:
    """The role, of those held, in which `user` may do `act`; RefusedError when there is none or they stand too near."""
    right = RIGHTS[act]
    role = next((held for held in ROLES if held in roles and held in right.roles), None)
    if role is None:
        raise RefusedError(_no_role(act, user, roles))
    for apart in right.apart:
        if user in circle.near(apart):
            why = _WHY[apart]
            raise RefusedError(
                Words(
                    en=f"{user} {why.en} and may not {act}; ask somebody else",
                    zh=f"{user} {why.zh}，无权{right.words.zh}；请由他人执行",
                )
            )
    return role


def _no_role(act: Act, user: str, roles: Sequence[str]) -> Words:
    right = RIGHTS[act]
    held = "、".join(ROLE_WORDS[role].zh for role in ROLES if role in roles)
    takes = "或".join(ROLE_WORDS[role].zh for role in ROLES if role in right.roles)
    return Words(
        en=f"{user} ({', '.join(roles) or 'no role'}) may not {act}; it takes {' or '.join(sorted(right.roles))}",
        zh=f"{user}（{held or '无角色'}）无权{right.words.zh}；须由{takes}执行",
    )


def roles_named(texts: Sequence[str]) -> tuple[Role, ...]:
    """The roles that `texts` name, in the table's order; UserError for a word that is none, or roles that clash."""
    named = {role_named(text) for text in texts}
    if not named:
        raise UserError(f"a person has at least one role; choose from {', '.join(ROLES)}")
    if len(named) > 1 and named & ALONE:
        raise UserError(f"{' and '.join(sorted(named & ALONE))} goes with no other role; give one of them only")
    return tuple(role for role in ROLES if role in named)


def role_named(text: str) -> Role:
    """The role that `text` names; UserError for a word that is none."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise UserError(f"{text!r} is no role; choose from {', '.join(ROLES)}")
    return found
