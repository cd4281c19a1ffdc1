"""Telling of the facts about the record itself: keys, telemetry, copies, identities."""

from cytoloop.core.entry import Fact
from cytoloop.core.facts import record


def tell_record(fact: Fact) -> tuple[str, str] | None:
    """The sentence of a fact about the record, in English and Chinese; None for any other fact."""
    return _keys(fact) or _copies(fact) or _identities(fact)


def _keys(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case record.KeyIntroduced() as f:
            return f"checkpoints are signed with the key {f.key} from here on", f"自此起检查点由密钥 {f.key} 签署"
        case record.KeyRetired() as f:
            return f"the key {f.key} signs no more: {f.reason}", f"密钥 {f.key} 停用：{f.reason}"
        case record.TelemetrySealed() as f:
            return (
                f"{f.readings} readings of {len(f.tags)} signals of batch {f.batch} sealed as {f.segment}",
                f"批次 {f.batch} 的 {len(f.tags)} 个信号、{f.readings} 个读数封存为 {f.segment}",
            )
        case record.ClockStepped() as f:
            before, after = f.before.isoformat(), f.after.isoformat()
            return f"the machine's clock stepped from {before} to {after}", f"系统时钟由 {before} 跳变至 {after}"
        case _:
            return None


def _copies(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case record.BundleExported() as f:
            return (
                f"batch {f.batch} taken out as a bundle under {f.tree_size} entries",
                f"批次 {f.batch} 已导出为批次包，对应树首含 {f.tree_size} 条",
            )
        case record.BackupMade() as f:
            return f"a copy of {f.size} entries was made", f"已备份 {f.size} 条"
        case record.RecordRestored() as f:
            return (
                f"the record was brought back with {f.size} entries: {f.reason}",
                f"记录已恢复（{f.size} 条）：{f.reason}",
            )
        case record.RecordUpgraded() as f:
            return (
                f"the store went from format {f.from_format} to {f.to_format}",
                f"存储格式由 {f.from_format} 升级至 {f.to_format}",
            )
        case _:
            return None


def _identities(fact: Fact) -> tuple[str, str] | None:
    match fact:
        case record.IdentityLookedUp() as f:
            by = f.signature.printed_name
            return f"{by} looked up who {f.subject} is: {f.reason}", f"{by} 查询了 {f.subject} 的身份：{f.reason}"
        case record.IdentityErased() as f:
            by = f.signature.printed_name
            return (
                f"{by} had the identity of {f.subject} erased: {f.reason}",
                f"{by} 删除了 {f.subject} 的身份：{f.reason}",
            )
        case record.IdentitiesRekeyed() as f:
            by = f.signature.printed_name
            return (
                f"{by} had {f.identities} identities encrypted under a new key: {f.reason}",
                f"{by} 以新密钥重新加密了 {f.identities} 个身份：{f.reason}",
            )
        case _:
            return None
