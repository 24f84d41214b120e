"""The documentation says everything, and what it says works."""

from __future__ import annotations

import ast
import asyncio
import codeop
import inspect
import re
import shlex
from pathlib import Path

import msgspec
import pytest

import agentlog.errors
from agentlog.cli.application import app, is_command
from agentlog.cli.arguments import GLOBAL_OPTIONS, global_options_last
from agentlog.configuration import DATA, DEBUG, POSTGRES, POSTGRES_BIN, PRESET, TENANT, variable
from eventlog.events import EVENT_TYPES
from eventlog.settings import PRESETS, Settings
from tests.agentlog.cli.test_commands import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGES = ("eventlog", "projections", "replay", "agentlog")
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    """The code blocks of a page, in order."""
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


def section(page, heading):
    """The text below a heading, up to the next one."""
    text = page.read_text()
    assert f"\n{heading}\n" in text, f"{page.name} lacks the heading {heading}"
    return text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]


def rows_of(text):
    """The rows of a table in Markdown, heading first, as lists of fields."""
    rows = [line.strip()[1:-1].split("|") for line in text.splitlines() if line.startswith("|")]
    return [[field.strip() for field in row] for row in rows if not set("".join(row)) <= set("-: ")]


def arguments(words):
    """The arguments of a command: (names as typed, or the name of a place)."""
    command = app
    for word in words:
        command = command[word]
    for argument in command.assemble_argument_collection(parse_docstring=True):
        names = [name for name in argument.names if name.startswith("-")]
        if argument.names[0] != "*" and not set(names) & set(GLOBAL_OPTIONS):
            yield names or [argument.names[0].upper()], argument


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_documented(words):
    """Name by name: an option that is not on the page is known to nobody."""
    text = section(REFERENCE / "cli.md", f"### `agentlog {' '.join(words)}`")

    for names, argument in arguments(words):
        for name in names:
            assert f"`{name}`" in text, f"{name} is missing"
        assert argument.parameter.help, f"--help says nothing about {names[0]}"
        assert argument.parameter.help.strip() in text.replace("\\|", "|")


def test_no_command_is_documented_that_is_not_there():
    """A page that promises too much is as wrong as one that says too little."""
    text = (REFERENCE / "cli.md").read_text()

    assert set(re.findall(r"^### `agentlog (.*)`$", text, re.MULTILINE)) == {
        " ".join(words) for words in COMMANDS
    }
    for option in GLOBAL_OPTIONS:
        assert f"| `{option}" in text


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_documented_with_its_variable_and_default(field):
    """Whoever tunes reads the page, not the source."""
    row = f"| `{field.name}` | `{variable(field.name)}` | `{field.default}` |"

    assert row in (REFERENCE / "settings.md").read_text()


def test_every_preset_is_documented_value_by_value():
    """Column by column; an empty field: as without it."""
    heading, *rows = rows_of(section(REFERENCE / "settings.md", "## Presets"))
    names = [name.strip("`") for name in heading[2:]]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for setting, default, *values in rows:
        assert default == str(getattr(Settings(), setting.strip("`")))
        for name, value in zip(names, values, strict=True):
            if value:
                found[name][setting.strip("`")] = value
    assert found == {
        name: {setting: str(value) for setting, value in values.items()}
        for name, values in PRESETS.items()
        if values
    }


@pytest.mark.parametrize("name", [DATA, POSTGRES, TENANT, DEBUG, PRESET, POSTGRES_BIN])
def test_every_other_variable_is_documented(name):
    """Nothing is read that the page does not name."""
    assert f"`{name}`" in (REFERENCE / "settings.md").read_text()


def test_every_error_is_documented_and_no_other():
    """One row each, with whether to try again."""
    text = (REFERENCE / "errors.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)

    assert sorted(documented) == sorted(agentlog.errors.__all__)
    assert {"AgentlogError", *agentlog.errors.__all__} == {
        name
        for name, value in vars(agentlog.errors).items()
        if inspect.isclass(value) and issubclass(value, agentlog.errors.AgentlogError)
    }


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_is_documented(name):
    """Field by field, in the page of the vocabulary."""
    text = section(REFERENCE / "events.md", f"### {name}")

    for field in EVENT_TYPES[name].__struct_fields__:
        assert f"`{field}`" in text


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "agentlog.open(" in "".join(blocks(page, "python"))],
    ids=lambda page: page.stem,
)
def test_the_python_of_a_page_runs_as_it_stands(page, tmp_path, monkeypatch):
    """In order, in an empty directory, with nothing but what the page says."""
    monkeypatch.chdir(tmp_path)
    for name in (DATA, POSTGRES, TENANT):
        monkeypatch.delenv(name, raising=False)

    async def run():
        names = {"__name__": page.stem}
        for number, text in enumerate(blocks(page, "python"), 1):
            code = compile(text, f"{page.name}, block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(code, names)
            if inspect.iscoroutine(waiting):
                await asyncio.wait_for(waiting, 120)

    asyncio.run(run())


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem
)
def test_the_python_of_a_page_can_be_typed(page):
    """`python -m asyncio` ends a block at the first empty line and at none before."""
    console = codeop.CommandCompiler()
    console.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    for text in blocks(page, "python"):
        typed: list[str] = []
        for line in [*text.splitlines(), ""]:
            typed.append(line)
            if console("\n".join(typed), page.name, "single") is not None:
                typed = []
        assert typed == [], f"this does not end: {typed}"


def command_lines():
    for page in PAGES:
        for text in blocks(page, "sh"):
            for line in text.splitlines():
                if line.startswith("agentlog "):
                    yield pytest.param(line, id=f"{page.stem}: {line[:60]}")


@pytest.mark.parametrize("line", list(command_lines()))
def test_every_command_line_on_a_page_can_be_typed(line):
    """Each is parsed as the shell and the program would; none is run."""
    words = shlex.split(line, comments=True)[1:]

    app.parse_args(global_options_last(words, is_command), exit_on_error=False, print_error=False)


def literals(path):
    """Every text in a program's source; f-strings by their constant parts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def named_commands():
    """Every `agentlog …` in backticks: in messages, docstrings and pages."""
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    texts = [(path, text) for path in sorted(code) for text in literals(path)]
    texts += [(page, BLOCK.sub("", page.read_text())) for page in PAGES]
    for path, text in texts:
        for named in re.findall(r"`agentlog\s([^`]+)`", text):
            yield path.relative_to(ROOT), " ".join(named.split())


def is_offered(named):
    """Whether somebody can type these words.

    `a / b` names commands of one group; `…`, capitals and arguments stand for themselves.
    """
    for _ in range(named.count(" / ")):
        before, _, last = named.rpartition(" / ")
        if not is_offered(" ".join([*before.split(" / ")[0].split()[:-1], last])):
            return False
        named = before
    words = global_options_last(shlex.split(named), is_command)
    if words[0] == "…" or "--help" in words or "--version" in words:
        return len(words) == 1 or words[0].isupper() or is_command(words[:-1])
    chain, _, rest = app.parse_commands(words)
    if not chain:
        return False
    command = app
    for word in chain:
        command = command[word]
    if command.default_command is None:
        return rest == ["…"]
    options = {word.partition("=")[0] for word in rest if word.startswith("-")}
    known = {name for names, _ in arguments(chain) for name in names} | set(GLOBAL_OPTIONS)
    places = any(not name.startswith("-") for names, _ in arguments(chain) for name in names)
    return options <= known and (places or not rest or rest[0].startswith("-"))


def test_every_command_that_a_message_or_a_page_names_is_there():
    """Advice that cannot be typed is worse than none."""
    named = list(named_commands())

    assert len({text for _, text in named}) > 30
    assert [f"{path}: agentlog {text}" for path, text in named if not is_offered(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "mend",
        "restore",
        "restore disk",
        "verify now",
        "verify --hard",
        "schema migrate / paint",
        "mend --help",
    ],
)
def test_a_command_that_is_not_there_would_be_noticed(text):
    """The test above can fail."""
    assert not is_offered(text)
