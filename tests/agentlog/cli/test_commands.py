"""Every command, as somebody types it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agentlog.cli import main
from agentlog.cli.application import app
from tests.agentlog.cli.conftest import SESSION, start


def commands(group=app, words=()):
    """Every command of the tree, as words."""
    for name in group:
        if name.startswith("-"):
            continue
        child = group[name]
        if child.default_command is not None:
            yield (*words, name)
        yield from commands(child, (*words, name))


COMMANDS = sorted(set(commands()))


def test_the_commands_are_those_of_the_design():
    """A command that is not registered is not there, whatever its file says."""
    names = {" ".join(words) for words in COMMANDS}

    assert names == {
        *(
            "demo",
            "import",
            "migrate-from s0",
            "sql",
            "tail",
            "verify",
            "receipt",
            "replay rebuild",
            "status",
            "doctor",
            "version",
        ),
        *("repair", "restore postgres", "restore segments"),
        *(
            f"sessions {name}"
            for name in (
                "ls",
                "show",
                "load",
                "end",
                "delete",
                "cleanup",
                "fork",
                "heads",
                "rewind",
                "pop",
                "clear",
            )
        ),
        *(f"sessions {name}" for name in ("create", "append", "edit", "remove", "save", "generation")),
        *("sessions compactions", "sessions summaries"),
        *(f"delivery {name}" for name in ("show", "mark", "cleanup")),
        *(f"sessions alias {name}" for name in ("ls", "resolve", "set", "remove")),
        *(f"replay {name}" for name in ("rebuild", "state", "blame", "diff", "step")),
        *("archive queries", "archive query", "report"),
        *(f"archive {name}" for name in ("stat", "head", "tail", "seq", "timeline", "grep", "search")),
        *(f"archive {name}" for name in ("status", "build", "compact", "check", "rebuild")),
        *(
            f"queue {name}"
            for name in ("ls", "show", "enqueue", "claim", "complete", "fail", "requeue", "cancel", "status")
        ),
        *(
            f"task {name}"
            for name in ("ls", "show", "enqueue", "claim", "complete", "fail", "cancel", "revive", "status")
        ),
        *(f"keyvalue {name}" for name in ("ls", "get", "set", "delete")),
        *(f"access {name}" for name in ("pairings", "approve", "remove", "pairing")),
        *(f"access {name}" for name in ("permissions", "grant", "revoke", "permission")),
        *(f"plan {name}" for name in ("todos", "ls", "show")),
        *(f"external {name}" for name in ("ls", "show", "status", "due", "enqueue", "claim-polls", "polled")),
        *(
            f"external {name}"
            for name in ("complete", "fail", "claim-deliveries", "delivered", "callback", "cancel", "delete")
        ),
        "external cleanup",
        *(
            f"schedule {name}"
            for name in ("ls", "show", "status", "set", "pause", "resume", "delete", "fire")
        ),
        *(f"schedule {name}" for name in ("run", "import", "export", "watch")),
        *(f"schema {name}" for name in ("migrate", "print", "verify")),
    } | {"schema events", "export", "merge", "restore export"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_takes_the_global_options(words, capfd):
    """`--data`, `--postgres`, `--tenant`, `--json`, on all of them."""
    assert main([*words, "--help"]) == 0

    text = capfd.readouterr().out
    for option in ("--data", "--postgres", "--tenant", "--json"):
        assert option in text


def test_the_whole_way_from_a_transcript_to_its_proof(cli, transcript):
    """Import, look, ask, replay, verify: the main job, typed."""
    imported = cli("import", "claude-code", str(transcript), "--json")
    again = cli("--json", "import", "auto", str(transcript))
    assert (imported.status, imported.document["messages"]) == (0, 2)
    assert again.document["events_new"] == 0

    assert [row["key"] for row in cli("sessions", "ls", "--json").rows] == [SESSION]
    assert cli("--json", "sessions", "show", SESSION).document["message_count"] == 2
    assert [row["role"] for row in cli("sessions", "load", SESSION, "--json").rows] == ["user", "assistant"]
    assert len(cli("sessions", "load", SESSION, "-n", "1", "--json").rows) == 1

    assert cli("archive", "stat", SESSION, "--json").document["messages"] == 2
    assert cli("archive", "head", SESSION, "-n", "1", "--json").document["role"] == "user"
    assert cli("archive", "tail", SESSION, "-n", "1", "--json").document["text"] == "It is fixed."
    assert cli("archive", "seq", SESSION, "1", "--json").document["seq"] == 1
    assert cli("archive", "grep", "(?i)FIXED", "--json").document["seq"] == 1
    assert cli("archive", "search", "it FIXED", "--json").document["matched"] == 2
    assert cli("archive", "timeline", SESSION, "-n", "1", "--json").document["position"] > 0
    assert cli("archive", "build", "--json").document["archive_position"] > 0
    assert cli("archive", "status", "--json").document["ranges"] == 1
    assert cli("archive", "compact", "--json").document == {"ranges_fewer": 0}
    assert cli("archive", "check").status == 0
    sums = cli("sql", "select model, sum(output_tokens) as output from usage group by all", "--json")
    assert sums.document == {"model": "claude-sonnet-4-5", "output": 5}

    rebuilt = cli("replay", "rebuild", "--json")
    verified = cli("verify", "--json")
    assert (rebuilt.status, rebuilt.document["differences"]) == (0, [])
    assert (verified.status, verified.document["verified"]) == (0, True)
    assert cli("status", "--json").document["messages"] == 2
    assert cli("schema", "verify", "--json").document["verified"] is True


def test_tail_prints_the_lines_of_the_log(cli, transcript, environment):
    """With --json they are what stands in the segments, as far as a terminal may see it."""
    cli("import", "claude-code", str(transcript))

    everything = cli("tail", "--after", "0", "--json").rows
    last = cli("tail", "-n", "1", "--json").rows
    plain = cli("tail")

    assert [row["position"] for row in everything] == list(range(1, len(everything) + 1))
    assert last == everything[-1:]
    assert list(everything[0]) == [
        *("position", "tenant", "stream", "version", "type", "schema", "id", "time", "occurred_at"),
        *("data", "meta"),
    ]  # fmt: skip
    assert len(plain.out.splitlines()) == len(everything)


def test_hostile_content_never_reaches_the_terminal_as_it_is(cli, transcript):
    """Escape sequences in what an agent read are shown, in every way of showing."""
    cli("import", "claude-code", str(transcript))
    cli("queue", "enqueue", "a\x1b[2Jb", "x\x9by")

    for words in (
        ["sessions", "ls"], ["sessions", "show", SESSION], ["sessions", "load", SESSION], ["tail"],
        ["archive", "head", SESSION], ["archive", "grep", "bug"], ["queue", "ls"], ["queue", "claim", "w"],
        ["sql", "from messages"], ["sql", "from events"], ["archive", "stat", "\x1b[2J"], ["sql", "\x1b[2J"],
        ["\x1b[2J"],
    ):  # fmt: skip
        for flags in ([], ["--json"]):
            answer = cli(*words, *flags)
            assert "\x1b" not in answer.out + answer.err
            assert "\x9b" not in answer.out + answer.err


def test_a_tenant_is_shown_its_own_data_alone(cli, transcript):
    """On every command that shows data."""
    cli("import", "claude-code", str(transcript), "--tenant", "acme")

    for words in (["sessions", "ls"], ["tail"], ["sql", "from events"], ["archive", "grep", "bug"]):
        assert cli(*words, "--tenant", "acme", "--json").rows
        assert cli(*words, "--tenant", "umbrella", "--json").rows == []
    assert cli("sessions", "show", SESSION, "--tenant", "umbrella").status == 1
    # Trust is about the whole log, so a tenant in the environment does not stand in its way.
    assert cli("--tenant", "umbrella", "verify").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"], ["sessions", "bogus"], ["import", "latin", "x"], ["import", "claude-code"], ["sql"],
        ["sessions", "ls", "-n", "many"], ["sessions", "ls", "-n", "0"], ["sql", "drop table messages"],
        ["import", "claude-code", "no/such/file"], ["verify", "--bogus"],
        ["--postgres", "mysql://x", "status"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_misuse_is_status_2_one_paragraph_and_nothing_on_stdout(cli, words):
    """A program that reads stdout must not read an excuse."""
    answer = cli(*words)

    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("agentlog: ")
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "words", ["--data D sessions list", "--json sessions list", "sessions list --data D"]
)
def test_a_wrong_command_of_a_group_is_the_one_that_is_named(capfd, words):
    """Not an option that was moved behind the group."""
    assert main(words.split()) == 2

    assert 'Unknown command "list"' in capfd.readouterr().err


@pytest.mark.parametrize("words", ["--data D", "--data D archive", "archive --json"])
def test_a_group_without_a_command_is_explained(capfd, words):
    """As it is without options before it."""
    assert main(words.split()) == 0

    assert "Commands" in capfd.readouterr().out


def test_what_is_not_there_is_status_1(cli):
    """Well asked, and the answer is no."""
    for words in (
        ["sessions", "show", "nobody"],
        ["sessions", "load", "nobody"],
        ["archive", "stat", "nobody"],
        ["queue", "cancel", "nothing"],
    ):
        answer = cli(*words)
        assert (answer.status, answer.out) == (1, "")
        assert "there is no" in answer.err or "no message" in answer.err


def test_looking_makes_no_log(tmp_path, monkeypatch, capfd):
    """`agentlog status` in the wrong directory must not leave a Postgres there."""
    monkeypatch.chdir(tmp_path)
    for name in ("AGENTLOG_POSTGRES", "AGENTLOG_DATA"):
        monkeypatch.delenv(name, raising=False)
    for words in (["status"], ["verify"], ["schema", "verify"], ["tail"], ["--data", "x", "sessions", "ls"]):
        assert main(words) == 2
        assert "there is no log in" in capfd.readouterr().err
    assert main(["doctor"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_error_shows_its_traceback_when_asked(cli, monkeypatch):
    """AGENTLOG_DEBUG=1 is for those who mend it."""
    monkeypatch.setenv("AGENTLOG_DEBUG", "1")

    with pytest.raises(Exception, match="nobody"):
        cli("sessions", "show", "nobody")


def test_verify_names_damage_also_where_the_store_does_not_open(cli, transcript, environment):
    """Status 1, the positions, and nothing changed."""
    cli("import", "claude-code", str(transcript))
    (segment,) = (environment / "segments").glob("*.ndjson.zst")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)

    plain, document = cli("verify"), cli("verify", "--json").document

    assert plain.status == 1
    assert "position" in plain.out
    assert (document["verified"], bool(document["findings"])) == (False, True)
    assert segment.read_bytes() == content


def test_a_refused_path_is_named_and_the_others_are_imported(cli, transcript, tmp_path):
    """Status 1: something was wrong; what was right is in the log."""
    strange = tmp_path / "strange.jsonl"
    strange.write_text('{"a": 1}\n')

    answer = cli("import", "auto", str(transcript), str(strange), "--json")

    assert (answer.status, answer.document["messages"]) == (1, 2)
    assert "strange.jsonl" in answer.err


def test_a_line_that_cannot_be_read_is_quarantined_and_said(cli, transcript):
    """Never dropped silently."""
    with transcript.open("a") as file:
        file.write('{"type": "user", "torn\n')

    answer = cli("import", "claude-code", str(transcript))

    assert answer.status == 0
    assert "quarantined\t1" in answer.out
    assert ":3: " in answer.err


def test_doctor_finds_this_machine_well_and_a_missing_schema_wrong(cli, monkeypatch):
    """One line each; status 1 when there is one that says WRONG."""
    well = cli("doctor", "--json")
    assert (well.status, [row["name"] for row in well.rows if not row["ok"]]) == (0, [])

    monkeypatch.setenv("AGENTLOG_SCHEMA", "not_there")
    ill = cli("doctor")
    assert ill.status == 1
    assert "WRONG  schema" in ill.out

    monkeypatch.setenv("AGENTLOG_ZSTD_LEVLE", "3")
    assert "AGENTLOG_ZSTD_LEVLE" in cli("doctor").out


def test_the_printed_schema_is_what_verify_expects(cli, schema_name):
    """For those who migrate with tools of their own."""
    text = cli("schema", "print").out

    assert f"CREATE TABLE {schema_name}.events" in text
    assert cli("schema", "print", "--json").document["sql"].strip() == text.strip()


def test_version_names_the_release(capfd):
    """In the words that a bug report needs."""
    assert main(["version", "--json"]) == 0
    assert {"agentlog", "python", "duckdb", "asyncpg"} <= json.loads(capfd.readouterr().out).keys()


def test_tail_follows_what_others_append(cli):
    """Line by line, at once: whoever watches an agent reads a pipe."""
    cli("queue", "enqueue", "main", "first")
    process = start("tail", "-f", "--json")
    try:
        assert json.loads(process.stdout.readline())["position"] == 1
        cli("queue", "enqueue", "main", "second")
        assert json.loads(process.stdout.readline())["data"]["body"] == "second"
    finally:
        process.kill()
        process.communicate()


def test_a_reader_that_has_enough_ends_the_command_quietly(cli):
    """`agentlog tail --after 0 | head -1`."""
    cli("queue", "enqueue", "main", json.dumps("x" * 1_000_000))
    process = start("tail", "--json")
    try:
        process.stdout.read(100)
        process.stdout.close()
        err = process.stderr.read()
        process.wait(60)
    finally:
        process.kill()
        process.stderr.close()

    assert (process.returncode, err) == (0, "")


def test_help_waits_for_no_database():
    """Nothing heavy is imported before a command runs."""
    heavy = "'asyncpg', 'duckdb', 'zstandard', 'replay', 'eventlog.log'"
    found = f"[name for name in ({heavy}) if name in sys.modules]"
    code = f"import sys; from agentlog.cli import main; main(['--help']); print({found})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "[]"
