"""JSON with comments, as templates are written: to plain values. Pure.

Source: the sample template in the README of wb-mqtt-serial (comments after `//`); `/* */` and a
comma before a closing bracket are taken as well, since editors let them pass.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<comma>,(?=[\s]*[\]}]))""",
    re.DOTALL,
)
_JINJA: Final = re.compile(r"\{%|\{\{|\{#")


class TemplateError(ValueError):
    """The file cannot be imported at all; `key` and `args` say why (`wordings`)."""

    def __init__(self, key: str, **args: object) -> None:
        """Take the key of the sentence and what fills it."""
        self.key = key
        self.args_of = args
        super().__init__(f"{key}: {args}")


def loads(text: str) -> Any:  # Any: what JSON holds
    """Return what stands in a template.

    Raises:
        TemplateError: it is made by Jinja, or no JSON; with the line.
    """
    plain = _TOKEN.sub(lambda found: found["text"] or _blank(found[0]), text)
    plain = _TOKEN.sub(lambda found: found["text"] or _blank(found[0]), plain)  # commas behind them
    jinja = _JINJA.search(_TOKEN.sub(lambda found: _blank(found[0]), plain))
    if jinja:
        line = plain.count("\n", 0, jinja.start()) + 1
        raise TemplateError(key="jinja", line=line, found=jinja[0])
    try:
        return json.loads(plain)
    except json.JSONDecodeError as error:
        raise TemplateError(key="no-json", line=error.lineno, error=error.msg) from error
    except (RecursionError, ValueError) as error:
        raise TemplateError(key="no-json", line=1, error=str(error)) from error


def _blank(found: str) -> str:
    """Return as many blanks, with the line breaks where they were: lines stay true."""
    return "".join("\n" if letter == "\n" else " " for letter in found)
