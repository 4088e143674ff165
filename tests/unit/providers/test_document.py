"""Documents: YAML with lines, and variables resolved from outside."""

from __future__ import annotations

import pytest

from providers.document import UnsetVariableError, expand, read_document
from providers.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def run(content):
        path = tmp_path / "file.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_document(path)

    return run


def test_every_key_and_item_knows_its_line(read):
    """Errors can point at the line of any key, or of the nearest one that stands in the file."""
    document = read("a: 1\nb:\n  - c: 2\n  - d:\n      e: 3\n")
    assert (1, 2, 3, 5) == tuple(document.line(p) for p in (("a",), ("b",), ("b", 0, "c"), ("b", 1, "d", "e")))
    assert 4 == document.line(("b", 1, "d", "nowhere"))
    assert 1 == document.line(("nowhere",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [1", "not YAML"),
        ("a:\n\t- b", ":2: not YAML"),
        ("a: 1\nb: 2\na: 3", ":3: key 'a' stands twice"),
        (b"a: \xff", "not UTF-8"),
        ("a: \x00", "not YAML"),
        ("a: !!python/object:os.system x", "not YAML"),
        ("a: 2026-13-45", "month must be in 1..12"),
        ("a: &a [*a]", "an alias that holds itself"),
        ("a: 1\n---\nb: 2", "not YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_one_line(read, content, words):
    """Every broken file gives one line that names the file and says what to do."""
    with pytest.raises(ConfigError) as caught:
        read(content)
    assert words in str(caught.value)
    assert "file.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    """The path and the reason, no traceback."""
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read \(No such file"):
        read_document(tmp_path / "nowhere.yaml")


def test_a_folder_is_no_document(tmp_path):
    """A directory in place of a file is told as one."""
    with pytest.raises(ConfigError, match="Is a directory"):
        read_document(tmp_path)


def test_variables_and_secret_files_are_resolved(monkeypatch, tmp_path):
    """${VAR} and ${file:PATH} may stand anywhere in a text; other values pass unchanged."""
    monkeypatch.setenv("HOST", "h")
    (tmp_path / "key").write_text("s3cret\n")
    tree = {"url": "https://${HOST}/v1", "list": ["${file:%s}" % (tmp_path / "key"), 5, None]}
    expanded = expand(tree)
    assert {"url": "https://h/v1", "list": ["s3cret", 5, None]} == expanded
    assert "https://${HOST}/v1" == expanded["url"].declared


def test_an_unset_variable_names_itself_and_its_place(monkeypatch):
    """The error has the path inside the tree; lenient reading puts a word there instead."""
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(UnsetVariableError) as caught:
        expand({"a": [{"b": "${NOT_SET}"}]})
    assert (("a", 0, "b"), "NOT_SET") == (caught.value.path, caught.value.reference)
    assert {"a": "unset"} == expand({"a": "${NOT_SET}"}, lenient=True)
