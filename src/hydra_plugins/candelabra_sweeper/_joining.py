"""A study that is found in a storage by its name: whether it is about the same."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

_OBJECTIVES, _WORDS = "objectives", "words"  # attributes of a study; earlier ones have none


def check_study(
    study: "optuna.Study", objectives: Mapping[str, Any], fixed: Mapping[str, str], local: Sequence[str]
) -> None:
    """Writes into a new study what it is about, and compares one that was begun before.

    Args:
        study: as created or found.
        objectives: `maximize` or `minimize`, by name.
        fixed: words that are the same in all jobs, by key.
        local: patterns of keys that may be others on each machine.

    Raises:
        ValueError: it is about something else.
    """
    free = [*local, "hydra[./]*"]
    words = sorted(word for key, word in fixed.items() if not any(fnmatchcase(key, pattern) for pattern in free))
    _compare([direction.name.lower() for direction in study.directions], list(objectives.values()))
    before = study.user_attrs
    if _WORDS in before:
        _compare(before[_OBJECTIVES], list(objectives))
        old, new = (set(each) for each in (before[_WORDS], words))
        _compare(sorted(old - new), sorted(new - old))
    elif not study.get_trials(deepcopy=False):
        study.set_user_attr(_OBJECTIVES, list(objectives))
        study.set_user_attr(_WORDS, words)


def _compare(before: Sequence[str], now: Sequence[str]) -> None:
    if before != now:
        was, here = (", ".join(words) or "nothing in its place" for words in (before, now))
        raise ValueError(
            f"it was begun with {was}, and here it is {here}; type the same words, or give the study another name."
        )
