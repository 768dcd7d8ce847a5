"""Text to plain values: a small, safe part of YAML, without its surprises."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, ScalarNode

from integration_hub.configuration.errors import ConfigurationError

MAX_BYTES = 1024 * 1024


class _Loader(yaml.SafeLoader):
    """Reads as YAML 1.2 does: `no` and `17:00` and `2026-12-25` are texts. Aliases and repeated keys are refused."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stubs say nothing
        if getattr(event, "anchor", None):
            # A few nested aliases unfold into billions of entries.
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "anchors (&) and aliases (*) are not allowed; write the values out",
                event.start_mark,
            )
        return super().compose_node(parent, index)

    def plain_mapping(self, node: MappingNode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text", key_node.start_mark
                )
            key = key_node.value
            if key in found:
                raise yaml.constructor.ConstructorError(
                    None, None, f"“{key}” stands here twice; keep one of them", key_node.start_mark
                )
            found[key] = self.construct_object(value_node, deep=True)
        return found

    def plain_list(self, node: Any) -> list[Any]:
        return self.construct_sequence(node, deep=True)

    def unknown_tag(self, node: Any) -> Any:
        raise yaml.constructor.ConstructorError(
            None, None, f"the tag {node.tag} is not allowed; write a plain value", node.start_mark
        )


_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "int": (r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789"),
    "float": (r"[-+]?(?:0|[1-9][0-9]{0,11})\.[0-9]{1,6}", "-+0123456789"),
}
for _name, (_pattern, _first) in _PLAIN.items():
    _starts = ["" if letter == "\0" else letter for letter in _first]
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})$"), _starts)
_CONSTRUCTORS: dict[str | None, Any] = {
    f"{_TAG}bool": _Loader.construct_yaml_bool,
    f"{_TAG}null": _Loader.construct_yaml_null,
    f"{_TAG}int": _Loader.construct_yaml_int,
    f"{_TAG}float": _Loader.construct_yaml_float,
    f"{_TAG}str": _Loader.construct_yaml_str,
    f"{_TAG}map": _Loader.plain_mapping,
    f"{_TAG}seq": _Loader.plain_list,
    None: _Loader.unknown_tag,
}
_Loader.yaml_constructors.update(_CONSTRUCTORS)


def parse(content: bytes) -> dict[str, Any]:
    """Return the document as plain values. ConfigurationError: it is not the YAML that we read.

    The sentences never quote the line, which may hold a secret that was put there by mistake.
    """
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            [f"The file is larger than {MAX_BYTES // 1024} KiB; that is no configuration."]
        )
    try:
        document = yaml.load(content.decode(), _Loader)  # noqa: S506 - the loader is a safe one
    except UnicodeDecodeError:
        raise ConfigurationError(["The file is not UTF-8 text; save it in that encoding."]) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([_sentence(error)]) from None
    except (yaml.YAMLError, ValueError):
        raise ConfigurationError(["The file holds a character that YAML does not allow."]) from None
    except RecursionError:
        raise ConfigurationError(["The file is nested too deeply."]) from None
    if not isinstance(document, dict):
        raise ConfigurationError(["The file must hold sections such as “connections:” and “rules:”."])
    return document


def _sentence(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context}."
