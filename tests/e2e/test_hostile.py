"""One run against every bad provider at once: right error kinds, healthy neighbours, secrets nowhere but the wire."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from providers.run import find_runs
from providers.sample import from_row
from tests.e2e.conftest import LOCUST, ROOT, free_port
from tests.e2e.hostile import FORMULA, SKEW_S, Hostile

CANARY = "CANARY/8d1f+c0ffee=&x"  # changes under every encoding
ENTRIES = """
version: 1
defaults:
  type: http
  region: us-east-1
  price: {input_per_1m: 1, output_per_1m: 1}
  limits: {first_token_timeout_s: 5}
providers:
  - {name: fine, base_url: URL/fine/v1, auth: {kind: bearer, token: "${CANARY_FINE}"}}
  - {name: expired, base_url: URL/expired/v1, auth: {kind: bearer, token: "${CANARY_EXPIRED}"}}
  - {name: echo-headers, base_url: URL/echo-headers/v1, auth_header: "Authorization: Bearer ${CANARY_ECHO}"}
  - name: echo-stream
    base_url: URL/echo-stream/v1
    auth: {kind: api-key, token: "${file:SECRET_FILE}"}
    request: {extra_headers: {x-api-key: "${CANARY_EXTRA}"}, extra_body: {metadata: {key: "${CANARY_BODY}"}}}
  - {name: formula, base_url: URL/formula/v1}
  - {name: literal, base_url: URL/echo-headers/v1, auth: {kind: bearer, token: "LITERAL"}}
  - {name: region, base_url: URL/region, dialect: bedrock-converse, model: m, auth: {kind: aws-sigv4, region: eu-9}}
  - {name: skew, base_url: URL/skew, dialect: bedrock-converse, model: m, auth: {kind: aws-sigv4}}
  - {name: model, base_url: URL/model/v1, model: nope}
  - {name: html, base_url: URL/html/v1, auth: {kind: bearer, token: "${CANARY_HTML}"}}
  - {name: html-ok, base_url: URL/html-ok/v1, auth: {kind: bearer, token: "${CANARY_HTML}"}}
  - {name: gzip, base_url: URL/gzip/v1}
  - {name: brotli, base_url: URL/brotli/v1}
  - {name: moved, base_url: URL/moved/v1, auth: {kind: bearer, token: "${CANARY_MOVED}"}}
  - {name: entra, base_url: URL/entra/v1, auth: {kind: azure-entra}}
  - {name: google, base_url: URL/google/v1, auth: {kind: gcp-oauth, credentials_file: ACCOUNT}}
"""
ERRORS = {
    "fine": "", "expired": "auth", "echo-headers": "auth", "echo-stream": "", "formula": "", "literal": "auth",
    "region": "auth", "skew": "auth", "model": "bad_request", "html": "server", "html-ok": "protocol", "gzip": "",
    "brotli": "protocol", "moved": "protocol", "entra": "auth", "google": "auth",
}  # fmt: skip
DETAILS = {
    "skew": "s ahead of the server; Signature not yet current",
    "region": "scoped to a valid region",
    "model": "The model `nope` does not exist",
    "html": "HTTP 502: a web page in place of an answer: 502 Bad Gateway",
    "html-ok": "HTTP 200: a web page in place of an answer: Sign in",
    "moved": "HTTP 302: redirected to 127.0.0.1, and redirects are not followed",
    "brotli": "content-encoding br although identity was asked",
}
PAGES = ("/", "/stats/requests", "/stats/report", "/stats/requests/csv", "/stats/failures/csv",
         "/stats/requests_full_history/csv", "/exceptions", "/exceptions/csv", "/tasks", "/logs")  # fmt: skip


@pytest.fixture(scope="module")
def hostile():
    server = Hostile(f"{CANARY}tok")
    yield server
    server.close()


@pytest.fixture(scope="module")
def world(hostile, tmp_path_factory):
    """A providers file full of canaries, and the environment that resolves it."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "secret.txt").write_text(f"{CANARY}file\n", encoding="utf-8")
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    account = {"type": "service_account", "client_email": "me@test", "private_key": key.decode(),
               "token_uri": f"{hostile.url}/tokens/google"}  # fmt: skip
    (folder / "account.json").write_text(json.dumps(account), encoding="utf-8")
    text = ENTRIES.replace("URL", hostile.url).replace("LITERAL", f"{CANARY}literal")
    text = text.replace("SECRET_FILE", str(folder / "secret.txt")).replace("ACCOUNT", str(folder / "account.json"))
    (folder / "providers.yaml").write_text(text, encoding="utf-8")
    names = ("FINE", "EXPIRED", "ECHO", "EXTRA", "BODY", "HTML", "MOVED")
    nobody = {name: str(folder / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))}
    env |= nobody | {f"CANARY_{name}": f"{CANARY}{name}" for name in names}
    env |= {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{hostile.url}/tokens/role",
        "IDENTITY_ENDPOINT": f"{hostile.url}/tokens/entra",
        "IDENTITY_HEADER": f"{CANARY}identity",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }
    return SimpleNamespace(folder=folder, file=folder / "providers.yaml", env=env, server=hostile)


@pytest.fixture(scope="module")
def run(world):
    """A whole run with the web UI open and every log at DEBUG: its files, its pages, its output, the process list."""
    port = free_port()
    flags = ["--autostart", "--autoquit", "4", "--web-port", str(port), "--rate", "2", "--warm-up", "1s", "-t", "6s",
             "--drain", "5s", "--max-cost-usd", "5", "--no-score", "--providers", str(world.file),
             "--results", str(world.folder / "results"),
             "--loglevel", "DEBUG", "--logfile", str(world.folder / "locust.log")]  # fmt: skip
    out = (world.folder / "out.txt").open("w", encoding="utf-8")
    child = subprocess.Popen(
        [*LOCUST, *flags], cwd=ROOT, env=world.env, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    seen: dict[str, str] = {}
    threading.Thread(target=_look, args=(child, port, seen), daemon=True).start()
    try:
        code = child.wait(100)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        out.close()
    found = next(find_runs(world.folder / "results"))
    return SimpleNamespace(code=code, run=found, seen=seen, out=(world.folder / "out.txt").read_text(encoding="utf-8"))


def _look(child, port, seen):
    """Every page of the web UI and the list of processes, again and again while the run is on."""
    while child.poll() is None:
        seen["ps"] = (
            seen.get("ps", "") + subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
        )
        for page in PAGES:
            try:
                answer = requests.get(f"http://127.0.0.1:{port}{page}", timeout=5)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                seen[page] = answer.text
        time.sleep(0.5)


def rows(run):
    with run.run.samples.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def test_every_bad_provider_fails_with_its_own_kind_and_the_others_go_on(run):
    """Sixteen providers, one run: nobody's trouble is another's."""
    assert 0 == run.code, run.out[-2000:]
    assert run.run.read_manifest()["complete"]
    samples = [from_row(row) for row in rows(run)]
    kinds = {name: {s.error for s in samples if s.provider == name} for name in ERRORS}
    assert {name: {kind} for name, kind in ERRORS.items()} == kinds
    measured = Counter(s.provider for s in samples if s.phase == "measure")
    assert set(ERRORS) == set(measured)
    assert 1 == len(set(measured.values()))  # the same arrivals for all: 12 on average
    for name, words in DETAILS.items():
        assert words in next(s.detail for s in samples if s.provider == name), name
    told = re.match(r"clock skew: this machine is (\d+) s", next(s.detail for s in samples if s.provider == "skew"))
    assert 0 <= int(told[1]) - SKEW_S < 10


def test_no_redirect_is_followed(run, world):
    """The headers would have travelled along."""
    assert run.code == 0
    assert [] == [path for path in world.server.seen if path.startswith("/thief")]


def test_what_a_provider_bills_itself_stands_beside_our_price(run):
    """9 + 2 tokens at 1 USD per 1M, and the 0.125 USD it said."""
    (costs,) = {(s.cost_usd, s.provider_cost_usd) for s in map(from_row, rows(run)) if s.provider == "fine"}
    assert (pytest.approx(11 / 1e6), 0.125) == costs


def test_no_cell_of_a_csv_begins_like_a_formula(run):
    """A provider chooses its model's name: a spreadsheet must not run it. Reading it back gives it unchanged."""
    files = [*run.run.path.glob("*.csv")]
    assert {"samples.csv", "locust_stats.csv", "locust_failures.csv"} <= {file.name for file in files}
    (formula,) = {(s.served_model, s.served_region, s.provider_request_id)
                  for s in map(from_row, rows(run)) if s.provider == "formula"}  # fmt: skip
    assert (FORMULA, "-1+2", "@SUM(1)") == formula
    for row in rows(run):
        assert [] == [cell for cell in row if cell.startswith(("=", "+", "@", "\t", "\r", "-1+"))]


def leaks(text):
    """The forms in which the canary stands in a text."""
    raw = CANARY.encode()
    forms = {
        "raw": CANARY, "url": quote(CANARY, safe=""), "path": quote(CANARY), "form": quote_plus(CANARY),
        "html": CANARY.replace("&", "&amp;"), "hex": raw.hex(), "json": CANARY.replace("/", "\\/"),
    }  # fmt: skip
    # Base64 of a text that holds the canary: three alignments, without the characters that its neighbours share.
    for shift in range(3):
        forms[f"base64+{shift}"] = base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0 : -4]
    return [name for name, form in forms.items() if form in text]


def test_the_sweep_would_find_a_canary():
    """In every form it looks for."""
    assert ["raw"] == leaks(f"x {CANARY}FINE y")
    for shift in range(3):
        assert leaks(base64.b64encode(b"k" * shift + CANARY.encode() + b"FINE").decode())


def test_no_file_page_log_or_process_list_holds_a_secret(run, world):
    """Every byte of the run folder, stdout and stderr, the DEBUG log, ten pages of the web UI, and ps."""
    places = {"out": run.out, **run.seen}
    places |= {str(f): f.read_text("utf-8", "replace") for f in run.run.path.parent.rglob("*") if f.is_file()}
    places["log"] = (world.folder / "locust.log").read_text(encoding="utf-8")
    assert {"/", "/stats/requests", "/exceptions", "ps", "log", "out"} <= set(places)
    assert "fine" in places["/stats/requests"]
    assert "locust" in places["ps"]
    assert len(places["log"]) > 1000
    assert {} == {place: found for place, text in places.items() if (found := leaks(text))}


def test_the_score_and_the_dashboard_hold_no_secret(run):
    """What scoring writes and prints, and every page and callback answer of the dashboard."""
    scored = subprocess.run(
        [sys.executable, "-m", "scoring", str(run.run.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.run.summary.is_file(), scored.stderr
    command = [sys.executable, "-m", "dashboard", str(run.run.path.parent), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        address = child.stdout.readline().split()[1].split("?")[0].rstrip("/")
        pages = [f"/?run={run.run.run_id}", "/_dash-layout", "/_dash-dependencies"]
        texts = {page: requests.get(address + page, timeout=30).text for page in pages}
        texts |= dict(enumerate(_callbacks(address, run.run.run_id)))
        child.terminate()
        texts["err"] = child.communicate()[1]
    texts |= {"scored": scored.stdout + scored.stderr, "summary": run.run.summary.read_text(encoding="utf-8")}
    assert any("echo-headers" in text for text in texts.values())
    assert {} == {place: found for place, text in texts.items() if (found := leaks(text))}


def _callbacks(address, run_id):
    """The page of a run, as Dash asks for it."""
    for callback in requests.get(f"{address}/_dash-dependencies", timeout=30).json():
        values = {"pathname": "/", "search": f"?run={run_id}"}
        inputs = [{**each, "value": values.get(each["property"])} for each in callback["inputs"]]
        state = [{**each, "value": values.get(each["property"])} for each in callback["state"]]
        outputs = [dict(zip(("id", "property"), each.rsplit(".", 1), strict=True))
                   for each in callback["output"].strip(".").split("...")]  # fmt: skip
        body = {"output": callback["output"], "outputs": outputs if len(outputs) > 1 else outputs[0], "inputs": inputs,
                "state": state, "changedPropIds": [f"{inputs[0]['id']}.{inputs[0]['property']}"]}  # fmt: skip
        yield requests.post(f"{address}/_dash-update-component", json=body, timeout=60).text


def test_check_live_tells_what_answered_and_leaks_nothing(world):
    """The same kinds in a table, each with a next step; exit 3."""
    command = [sys.executable, "-m", "providers", "check", str(world.file), "--live"]
    done = subprocess.run(command, cwd=ROOT, env=world.env, capture_output=True, text=True, timeout=60, check=False)
    assert 3 == done.returncode, done.stderr
    assert [] == leaks(done.stdout + done.stderr)
    outcome = {line.split()[0]: line.split()[2] for line in done.stdout.splitlines()[1 : 1 + len(ERRORS)]}
    assert {name: kind or "ok" for name, kind in ERRORS.items()} == outcome
    following = done.stdout.partition("Next:\n")[2]
    for words in (
        "expired: set CANARY_EXPIRED to a key that is valid", "skew: set this machine's clock",
        "model: check model 'nope'", "gzip: it compresses although identity was asked",
        "entra: see that this identity may use model",
    ):  # fmt: skip
        assert f"- {words}" in following
    assert "0.125000" in next(line for line in done.stdout.split("\n\n")[1].splitlines() if line.startswith("fine "))
