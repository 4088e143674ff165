"""The reference pages and the code say the same: names, defaults, definitions, and commands that run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from providers import sample
from providers.arguments import parser
from providers.conversation import Session
from providers.length import Length
from providers.presets import PRESETS, keys_of
from providers.price import Price
from providers.reasons import LEVELS, RULES
from providers.run import find_runs
from providers.simulator import truth
from providers.spec import Auth, Law, Limits, Mock, Provider, Request
from providers.workload import Cache, Workload
from scoring import __main__ as scoring
from scoring import cold, probe
from scoring.metrics import Terms, measure

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[a-z]*/README.md"))]
QUICK = "tests/e2e/data/quick.yaml"
# Importing Locust would patch this process, so another one is asked.
PROBE = """
import json
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments
from locustfiles.engine import harness, options, self_check, staircase
parser = get_empty_argument_parser()
setup_parser_arguments(parser)
known = len(parser._actions)
options.add_flags(parser)
plain = len(parser._actions)
staircase.add_sweep_flags(parser)
told = lambda actions: {action.option_strings[0]: [action.env_var, action.default] for action in actions}
print(json.dumps({
    "flags": told(parser._actions[known:plain]),
    "sweep_flags": told(parser._actions[plain:]),
    "known": [name for action in parser._actions for name in action.option_strings],
    "refused": list(options._REFUSED),
    "self_check": self_check.COLUMNS,
    "exit_codes": [value for name, value in vars(harness).items() if name.startswith("EXIT_")],
}))
"""


@pytest.fixture(scope="module")
def engine():
    """What the load side calls its flags and exit codes."""
    done = run(sys.executable, "-c", PROBE)
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """The folder of a run of one second."""
    results = tmp_path_factory.mktemp("results")
    short = ("--providers", QUICK, "--warm-up", "0s", "-t", "1s", "--rate", "2", "--no-score")
    done = run(sys.executable, "-m", "locust", "--headless", *short, LOCUST_RESULTS=str(results))
    assert 0 == done.returncode, done.stderr
    return next(find_runs(results))


def run(*command, **env):
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120
    )


def page(name):
    """The text of a page without its code blocks."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text, heading):
    """From a heading to the next of its level or above."""
    level = len(heading.partition(" ")[0])
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """The cells of every table in it, without heads and backticks."""
    lines = text.splitlines()
    body = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if not after.startswith("|---")]
    return [[cell.strip("` ") for cell in line.strip("|").split(" | ")] for line in body if line.startswith("| ")]


def first_column(text):
    return [row[0] for row in rows(text)]


def quoted(text):
    """Everything in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def normalized(text):
    return " ".join(text.split())


# ---- providers/README.md


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("### An entry", Provider), ("### `auth`", Auth), ("### `price`", Price), ("### `request`", Request),
        ("### `limits`", Limits), ("### `mock`", Mock), ("### A law", Law),
        ("### A workload", Workload), ("### A length", Length), ("### `session`", Session),
    ],
)  # fmt: skip
def test_every_key_of_a_declaration_stands_with_its_default(heading, model):
    """In the order of the model, so that none is missing and none is invented."""
    table = rows(section(page("providers/README.md"), heading))
    assert keys(model) == [(row[0], row[2]) for row in table]


def test_every_key_of_a_prompt_cache_stands_with_its_default():
    """Its second table says what each kind means, and is not one of keys."""
    table = rows(section(page("providers/README.md"), "### `cache`"))
    assert keys(Cache) == [(row[0], row[2]) for row in table if len(row) == 4]


def keys(model):
    return [(name, shown(field)) for name, field in model.model_fields.items()]


def shown(field):
    """A default as the pages write it."""
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, Law):
        return f"{default.p50:g}"
    if isinstance(default, Cache):
        return default.kind
    if default is None or default in ("", {}) or isinstance(default, BaseModel):
        return "empty"
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def test_every_short_type_stands_with_its_own_keys():
    """In the order of the presets."""
    listed = rows(section(page("providers/README.md"), "### Short types"))
    assert list(PRESETS) == [row[0] for row in listed[: len(PRESETS)]]
    own = [(row[0], row[1]) for row in listed[len(PRESETS) :]]
    assert [(key, kind) for kind in PRESETS for key in keys_of(kind)] == own


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("## Error kinds", sample.ERROR_KINDS),
        ("## A row of `samples.csv`", sample.COLUMNS),
        ("### `truth.csv`", truth.COLUMNS),
    ],
)
def test_every_column_and_error_kind_stands_in_its_order(heading, names):
    """A closed list is closed on the page, too."""
    assert list(names) == first_column(section(page("providers/README.md"), heading))


def test_every_command_and_flag_of_providers_stands():
    """As argparse knows them."""
    text = page("providers/README.md")
    assert set() == {flag for flag in flags_of_providers() - {"-h", "--help"} if flag not in text}
    assert set() == {name for name in commands_of_providers() if f"python -m providers {name}" not in text}


def commands_of_providers():
    (commands,) = (action.choices for action in parser()._actions if action.dest == "command")
    return commands


def flags_of_providers():
    commands = commands_of_providers().values()
    return {name for command in commands for action in command._actions for name in action.option_strings}


# ---- locustfiles/README.md


@pytest.mark.parametrize(("heading", "known"), [("## Flags", "flags"), ("## The sweep", "sweep_flags")])
def test_every_harness_flag_stands_with_its_variable_and_default(engine, heading, known):
    """Where there is no default, words say what happens."""
    table = [row for row in rows(section(page("locustfiles/README.md"), heading)) if len(row) == 4]
    assert [[flag, variable] for flag, (variable, _) in engine[known].items()] == [row[:2] for row in table]
    for flag, _, told, _ in table:
        default = engine[known][flag][1]
        if default not in (None, "", False):
            assert default == type(default)(told.removesuffix(" s")), flag


@pytest.mark.parametrize("name", ["locustfiles/README.md", "providers/README.md"])
def test_every_flag_that_a_page_names_exists(engine, name):
    """Ours, Locust's, or those of ``python -m providers``; in code blocks too."""
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / name).read_text(encoding="utf-8")))
    assert set() == named - {*engine["known"], *flags_of_providers()}


def test_every_refused_flag_stands(engine):
    """With its reason beside it."""
    assert set(engine["refused"]) <= quoted(section(page("locustfiles/README.md"), "## Flags"))


def test_every_phase_stands():
    """Those a sample may have come first, in their order; the drain has none of its own."""
    assert [*sample.PHASES, "drain"] == first_column(section(page("locustfiles/README.md"), "## Phases"))


def test_every_exit_code_stands(engine):
    """The harness's own and those it takes over from scoring."""
    codes = {scoring.OK, scoring.BAD_INPUT, scoring.NOT_SOUND, scoring.NOTHING_MEASURED, *engine["exit_codes"]}
    listed = first_column(section(page("locustfiles/README.md"), "## Stopping"))
    assert sorted(codes) == [int(cell) for cell in listed if cell.isdecimal()]


def test_every_field_of_a_manifest_stands(short_run):
    """Those that a real run has written."""
    manifest = short_run.read_manifest()
    config, (worker,) = manifest["config"], manifest["workers"]
    parts = [manifest, config, config["arrivals"], config["phases"], worker, *manifest["counts"].values()]
    parts += [worker["self_check"], *worker["windows"]]
    parts += [manifest[name] for name in ("hashes", "host", "phases", "matrix")]
    assert set() == {name for part in parts for name in part} - quoted(part_of_run("### `manifest.json`"))


def test_every_field_of_the_live_file_stands(short_run):
    """As its last line has them."""
    last = json.loads(short_run.live.read_text(encoding="utf-8").splitlines()[-1])
    parts = [last, *last["cells"], *last["workers"], last["cells"][0]["recent"], last["cells"][0]["verdict"]]
    assert set() == {name for part in parts for name in part} - quoted(part_of_run("### `live.jsonl`"))


def test_every_column_of_the_self_check_stands(engine):
    """All that is in ``self_check.csv``, in its words."""
    assert set() == set(engine["self_check"]) - quoted(part_of_run("### The self-check"))


def part_of_run(heading):
    return section(page("locustfiles/README.md"), heading)


# ---- scoring/README.md


def test_every_reason_of_the_verdict_stands():
    """And the levels it may have."""
    assert set() == RULES.keys() - quoted(page("scoring/README.md"))
    assert set() == {level for level in LEVELS if level not in page("scoring/README.md")}


def test_every_metric_stands():
    """By the name it has in results.csv; the rest comes from outside ``measure``."""
    names = {*measure([], Terms("response", 1.0, {})), *cold.METRICS, *probe.METRICS, "edge_rtt_s", "score"}
    assert set() == names - quoted(page("scoring/README.md"))


def test_every_exit_code_of_scoring_stands():
    """As a row of a table."""
    codes = {scoring.OK, scoring.BAD_INPUT, scoring.NOT_SOUND, scoring.NOTHING_MEASURED}
    assert set() == {str(code) for code in codes} - set(first_column(page("scoring/README.md")))


# ---- README.md


@pytest.mark.parametrize("metric", ["TTFT", "TTFO", "E2E", "TPOT", "output speed"])
def test_the_contract_defines_a_metric_in_the_same_words_twice(metric):
    """In the module that owns it and on the first page."""
    (definition,) = re.findall(rf"^{metric}  +(.+)$", sample.__doc__, re.MULTILINE)
    assert f"| {metric} | {definition} |" in page("README.md")


def test_the_contract_defines_its_symbols_in_the_same_words_twice():
    """s, c1..ck, N, M and n1."""
    (symbols,) = (part for part in sample.__doc__.split("\n\n") if part.startswith("s = "))
    assert normalized(symbols) in normalized(page("README.md"))


def marked_blocks():
    """The commands of every block that claims to run, named by page and line."""
    blocks = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for block in re.finditer(r"^<!-- run -->\n```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            blocks.append(pytest.param(block[1], id=f"{path.relative_to(ROOT)}:{line}"))
    return blocks


@pytest.mark.timeout(150)
@pytest.mark.parametrize("commands", marked_blocks())
def test_a_marked_block_runs_as_written(tmp_path, commands):
    """Whoever pastes it gets no error."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = run("bash", "-euo", "pipefail", "-c", commands, PATH=path, LOCUST_RESULTS=str(tmp_path))
    assert 0 == done.returncode, done.stderr
