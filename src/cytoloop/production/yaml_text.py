"""YAML text as plain JSON with the line of everything in it: the first half of reading a pack.

Only what a recipe needs is taken from YAML: mappings with text keys, lists, text, numbers, true/false, null. Keys
given twice, anchors, aliases and tags are mistakes: what a reviewer reads is what is run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from cytoloop.core.json import JSON

Path = tuple[str | int, ...]
"""Where in a document: mapping keys and list indices, from the top."""

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_BOOLEAN = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a pack, for the person who wrote it."""

    file: str
    line: int
    """From 1."""
    path: str
    """ "procedure[0].operations[1].parameters.volume.unit"; empty for the whole file."""
    message: str
    """What was found and what was expected."""
    warning: bool = False
    """Whether the pack may still be used."""

    def __str__(self) -> str:
        where = f" {self.path}:" if self.path else ""
        return f"{self.file}:{self.line}:{where} {'warning: ' if self.warning else ''}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A YAML file as plain data; `value` means nothing when there are mistakes."""

    file: str
    value: JSON
    lines: Mapping[Path, int] = field(hash=False)
    mistakes: tuple[Mistake, ...] = ()

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def mistake(self, path: Path, message: str, *, warning: bool = False) -> Mistake:
        """A mistake at `path`, with its line."""
        return Mistake(file=self.file, line=self.line(path), path=written(path), message=message, warning=warning)


def written(path: Path) -> str:
    """`path` as a person writes it: "steps[3].words.en"."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def parse(text: str, file: str) -> Text:
    """`text` as plain data with lines. Never raises: whatever is wrong is among the mistakes."""
    try:
        aliases = tuple(_aliases(text, file))
        if aliases:
            return Text(file=file, value=None, lines={}, mistakes=aliases)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return Text(file=file, value=None, lines={}, mistakes=(_syntax(error, text, file),))
    except RecursionError:
        deep = Mistake(file=file, line=1, path="", message="found too many levels; expected at most a few dozen")
        return Text(file=file, value=None, lines={}, mistakes=(deep,))
    if node is None:
        empty = Mistake(file=file, line=1, path="", message="the file is empty; expected a mapping or a list")
        return Text(file=file, value=None, lines={}, mistakes=(empty,))
    lines: dict[Path, int] = {}
    mistakes: list[Mistake] = []
    value = _plain(node, (), lines, mistakes, file)
    return Text(file=file, value=value, lines=lines, mistakes=tuple(mistakes))


def _aliases(text: str, file: str) -> Iterator[Mistake]:
    if not {"&", "*"} & set(text):
        return
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            yield Mistake(
                file=file,
                line=_line(event),
                path="",
                message="found an anchor or alias (& or *); expected the value written out, so that it can be reviewed",
            )


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Mistake:
    last = len(text.splitlines()) or 1
    mark = getattr(error, "problem_mark", None)
    line = min(mark.line + 1, last) if mark else last
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "\\t" in what or "\t" in what:
        what = "found a tab; expected spaces for indentation"
    elif mark and mark.line + 1 >= last:
        what = f"{what}; the file ends in the middle of something: it may be cut off, expected its remaining lines"
    else:
        what = f"not YAML: {what}; expected 'key: value' lines indented by spaces"
    return Mistake(file=file, line=line, path="", message=what)


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int], mistakes: list[Mistake], file: str) -> JSON:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, mistakes, file)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, i), lines, mistakes, file) for i, child in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int], mistakes: list[Mistake], file: str) -> JSON:
    value: dict[str, JSON] = {}
    for key_node, child in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None:
            message = "found a key that is a list or a mapping; expected text"
            mistakes.append(Mistake(file=file, line=line, path=written(path), message=message))
            continue
        here = (*path, key)
        if key in value:
            message = f"the key was already given on line {lines[here]}; expected each key once"
            mistakes.append(Mistake(file=file, line=line, path=written(here), message=message))
            continue
        lines[here] = line
        value[key] = _plain(child, here, lines, mistakes, file)
    return value


def _scalar(node: yaml.Node) -> JSON:
    """Text in quotes is text; bare numbers, true, false and null are what they look like (YAML 1.2 core)."""
    text = str(node.value)
    if getattr(node, "style", None) is not None:
        return text
    if text in ("", "~", "null"):
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _NUMBER.fullmatch(text):
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    return text
