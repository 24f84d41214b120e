"""Global options may stand before the command: `agentlog --data D verify`. Pure: words in, words out.

The parser takes a command's options behind the command alone, so those before it are moved there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Options that every command takes, and whether a value follows.
GLOBAL_OPTIONS = {"--data": True, "--postgres": True, "--tenant": True, "--json": False}


def global_options_last(
    words: Sequence[str],
    is_command: Callable[[Sequence[str]], bool],
    is_group: Callable[[Sequence[str]], bool] = lambda words: False,
) -> list[str]:
    """Return the words with the global options before or between command names put behind these.

    `is_command` says whether some words, one after the other, name a command or a group of them, `is_group`
    whether a group. A group takes no options: those before it are dropped, so that the parser explains the
    group, or names the word behind it that is no command. What follows stays as it is.
    """
    command: list[str] = []
    moved: list[str] = []
    rest = list(words)
    while rest:
        name, equals, _ = rest[0].partition("=")
        if name in GLOBAL_OPTIONS and (not equals or GLOBAL_OPTIONS[name]):
            length = 2 if GLOBAL_OPTIONS[name] and not equals else 1
            moved += rest[:length]
            del rest[:length]
        elif not rest[0].startswith("-") and is_command([*command, rest[0]]):
            command.append(rest.pop(0))
        else:
            break
    if is_group(command):
        moved = []
    return [*command, *moved, *rest]
