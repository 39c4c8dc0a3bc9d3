"""What `mayak profile` says, Russian and English."""

from __future__ import annotations

from typing import Final

from simulators.demo.wordings import Lang

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "profile": ("профиль", "profile"),
    "protocol": ("протокол", "protocol"),
    "title": ("прибор", "device"),
    "vectors": ("векторов", "vectors"),
    "twin": ("через двойника", "by a twin"),
    "source": ("источник", "source"),
    "outcome": ("итог", "outcome"),
    "passed": ("годен", "passed"),
    "failed": ("НЕ ГОДЕН", "FAILED"),
    "point": ("показание", "point"),
    "unit": ("единица", "unit"),
    "kind": ("вид", "kind"),
    "where": ("где", "where"),
    "writable": ("запись", "writable"),
    "notes": ("прочее", "notes"),
    "yes": ("да", "yes"),
    "maker": ("изготовитель", "maker"),
    "models": ("модели", "models"),
    "groups": ("группы опроса", "poll groups"),
    "caveat": ("внимание", "note"),
    "personal": ("персональные данные", "personal data"),
    "trying": ("Проверяются профили", "Trying profiles"),
    "written": (
        "Записано: {file}. Дальше: заполнить и проверить: mayak profile test {file}",
        "Written: {file}. Next: fill it in and try it: mayak profile test {file}",
    ),
    "exists": (
        "{file} уже есть; чтобы заменить, добавьте --force",
        "{file} is there already; to replace it, add --force",
    ),
    "not-written": (
        "{file} не записан: {reason}",
        "{file} cannot be written: {reason}",
    ),
    "no-skeleton": (
        "Для протокола {protocol} заготовки нет; есть для: {known}",
        "There is no skeleton for the protocol {protocol}; there are some for: {known}",
    ),
    "stale": (
        "{file} не соответствует профилям; обновить: mayak profile page",
        "{file} is not what the profiles say; to renew it: mayak profile page",
    ),
    "what": ("что проверить: имена, файлы или --all", "say what to test: names, files, or --all"),
}


def say(lang: Lang, key: str, **args: object) -> str:
    """Return a text in one language."""
    return TEXTS[key][0 if lang == "ru" else 1].format(**args)
