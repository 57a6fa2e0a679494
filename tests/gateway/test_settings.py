"""Settings: file and environment, secrets that are named instead of written, and errors that say what to change."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Connector, Secret
from gateway.settings import Settings, SettingsError, load
from gateway.source_settings import NAME

SECRET = "s3cr3t-do-not-show"


@dataclass(frozen=True, kw_only=True)
class Options:
    """A connector's settings, with every kind of field that one may want."""

    url: str = "https://platform.example.com"
    api_key: Secret
    backup_key: Secret | None = None
    projects: tuple[str, ...] = ()
    pages: int = 100
    ratio: float = 0.5
    mode: Literal["full", "delta"] = "full"
    headers: dict[str, Secret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("url must start with https://")


@dataclass(frozen=True)
class Nothing:
    """A platform of files."""


PLATFORMS = {
    "paint": Connector(name="paint", title="Paint", settings=Options),
    "files": Connector(name="files", title="Files", settings=Nothing),
}

Load = Callable[[str], Settings]


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own."""
    for name in [name for name in os.environ if name.startswith("LABELGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Settings:
    Path("labelgate.toml").write_text(text)
    return load(connectors=PLATFORMS)


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(text)
    assert SECRET not in str(error.value)
    return str(error.value).splitlines()


def test_nothing_needs_to_be_set() -> None:
    """Without a file and variables: the embedded MongoDB, loopback, no sources."""
    settings = load()
    assert (settings.file, settings.sources, settings.warnings) == (None, {}, ())
    assert (settings.mongodb.url, settings.mongodb.driver, settings.mongodb.data_dir) == (
        None,
        "motor",
        Path(".labelgate"),
    )
    assert (settings.server.host, settings.server.port, settings.server.graphiql) == ("127.0.0.1", 8000, True)
    assert (settings.log.level, settings.log.format) == ("info", "auto")
    assert settings.secrets() == frozenset()


def test_the_environment_stands_above_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, then file, then default, key by key."""
    monkeypatch.setenv("LABELGATE_SERVER__PORT", "9001")
    monkeypatch.setenv("LABELGATE_LOG__LEVEL", "WARNING")
    monkeypatch.setenv("LABELGATE_MONGODB__DATABASE", "")
    settings = read('[server]\nport = 9000\nhost = "::1"\n[mongodb]\ndatabase = "reviews"')
    assert (settings.server.port, settings.server.host) == (9001, "::1")
    assert settings.log.level == "warning"
    assert settings.mongodb.database == "reviews"  # an empty variable says nothing
    assert settings.file == Path("labelgate.toml")


def test_the_short_variable_names_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """LABELGATE_MONGODB_URL above the file; the regular name above both."""
    text = '[mongodb]\nurl = "mongodb://file/db"'
    monkeypatch.setenv("LABELGATE_MONGODB_URL", "mongodb://short/db")
    assert read(text).mongodb.url.reveal() == "mongodb://short/db"
    monkeypatch.setenv("LABELGATE_MONGODB__URL", "mongodb://long/db")
    assert read(text).mongodb.url.reveal() == "mongodb://long/db"


def test_a_file_is_named_by_argument_or_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, else LABELGATE_CONFIG, else labelgate.toml; a named file must be there."""
    for name in ("labelgate", "one", "two"):
        Path(f"{name}.toml").write_text(f'[mongodb]\ndatabase = "{name}"')
    assert load().mongodb.database == "labelgate"
    monkeypatch.setenv("LABELGATE_CONFIG", str(tmp_path / "one.toml"))
    assert load().mongodb.database == "one"
    assert load("two.toml").mongodb.database == "two"
    with pytest.raises(SettingsError, match=r"^three\.toml: cannot be read: No such file or directory$"):
        load("three.toml")


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """data_dir of a file elsewhere lies beside that file; from the environment it counts from here."""
    Path("etc").mkdir()
    Path("etc/gate.toml").write_text('[mongodb]\ndata_dir = "data"')
    assert load("etc/gate.toml").mongodb.data_dir == Path("etc/data")
    monkeypatch.setenv("LABELGATE_MONGODB__DATA_DIR", "here")
    assert load("etc/gate.toml").mongodb.data_dir == Path("here")


def test_graphiql_follows_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """GraphiQL and introspection are off where others can reach the server, unless they are asked for."""
    assert read('[server]\nhost = "localhost"').server.graphiql
    assert not read('[server]\nhost = "0.0.0.0"').server.graphiql
    assert not read('[server]\nhost = "gate.example.com"').server.introspection
    assert read('[server]\nhost = "0.0.0.0"\ngraphiql = true').server.graphiql


SOURCE = f'[sources.studio-1]\nplatform = "paint"\napi_key = "{SECRET}"\n'


def test_a_source_is_what_its_connector_declares() -> None:
    """Common settings, and an instance of the connector's own class."""
    text = SOURCE + 'sync_every = 60\nenabled = false\nprojects = ["a", "b"]\npages = 7\nmode = "delta"'
    source = read(text + '\n[sources.studio-1.headers]\nX-Team = "env:HOME"').sources["studio-1"]
    assert (source.name, source.platform, source.enabled, source.sync_every) == ("studio-1", "paint", False, 60)
    assert isinstance(source.settings, Options)
    assert source.settings.api_key.reveal() == SECRET
    assert (source.settings.projects, source.settings.pages, source.settings.mode) == (("a", "b"), 7, "delta")
    assert source.settings.headers["X-Team"].reveal() == os.environ["HOME"]
    assert read('[sources.exports]\nplatform = "files"').sources["exports"].settings == Nothing()


def test_variables_reach_sources_whose_names_they_cannot_spell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dash and dot are an underscore; text stays text, lists come as JSON; a source may come from variables alone."""
    monkeypatch.setenv("LABELGATE_SOURCES__STUDIO_1__API_KEY", "0123456789")
    monkeypatch.setenv("LABELGATE_SOURCES__STUDIO_1__PAGES", "5")
    monkeypatch.setenv("LABELGATE_SOURCES__STUDIO_1__PROJECTS", '["x", "1e5"]')
    monkeypatch.setenv("LABELGATE_SOURCES__STUDIO_1__HEADERS", '{"X": "1e5"}')
    monkeypatch.setenv("LABELGATE_SOURCES__MORE__PLATFORM", "paint")
    monkeypatch.setenv("LABELGATE_SOURCES__MORE__API_KEY", '{"type": "service_account"}')
    sources = read('[sources.studio-1]\nplatform = "paint"').sources
    assert sorted(sources) == ["more", "studio-1"]
    settings = sources["studio-1"].settings
    assert (settings.api_key.reveal(), settings.pages, settings.projects) == ("0123456789", 5, ("x", "1e5"))
    assert settings.headers["X"].reveal() == "1e5"
    assert sources["more"].settings.api_key.reveal() == '{"type": "service_account"}'


def test_secrets_may_be_named_instead_of_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By variable, by file (the line's end does not count), and inside other text; from the environment too."""
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("THE_KEY", "from a variable")
    monkeypatch.setenv("PASSWORD", "pa%24s")

    def key(written: str) -> str:
        return read(f'[sources.a]\nplatform = "paint"\napi_key = "{written}"').sources["a"].settings.api_key.reveal()

    assert key("env:THE_KEY") == "from a variable"
    assert key(f"file:{tmp_path}/key") == "from a file"
    assert key("<${THE_KEY}|${PASSWORD}>") == "<from a variable|pa%24s>"
    assert key("plain $5 {x}") == "plain $5 {x}"
    assert read('[mongodb]\nurl = "mongodb://u:${PASSWORD}@h/"').mongodb.url.reveal() == "mongodb://u:pa%24s@h/"
    monkeypatch.setenv("LABELGATE_SOURCES__A__API_KEY", f"file:{tmp_path}/key")
    assert key("something else") == "from a file"


def test_a_secret_does_not_show_itself() -> None:
    """Neither settings nor sources print a secret; ``secrets()`` knows all of them, in every form of a URL."""
    settings = read(
        SOURCE
        + f'[mongodb]\nurl = "mongodb://u:{SECRET}%40@h/db"\n[sources.b]\nplatform = "paint"\napi_key = "{SECRET}2"\nheaders.X = "{SECRET}3"'
    )
    for text in (repr(settings), str(settings), f"{settings.mongodb}", settings.mongodb.model_dump_json()):
        assert SECRET not in text
    assert settings.secrets() == {
        SECRET, f"{SECRET}2", f"{SECRET}3", f"mongodb://u:{SECRET}%40@h/db", f"{SECRET}%40", f"{SECRET}@",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nprot = 1", "labelgate.toml: server.prot is not a setting; did you mean port?"),
        ("[mongo]\nurl = 'x'", "labelgate.toml: mongo is not a setting; did you mean mongodb?"),
        ("[log]\nzzz = 1", "labelgate.toml: log.zzz is not a setting; there are: format, level"),
        ("server = 1", "labelgate.toml: server must be a table"),
        ("[server]\nport = 'x'", "labelgate.toml: server.port must be a whole number"),
        ("[server]\nport = 70000", "labelgate.toml: server.port must be less than or equal to 65535"),
        ("[server]\nhost = ''", "labelgate.toml: server.host must have at least 1 character"),
        ("[server]\nhost = 1", "labelgate.toml: server.host must be text"),
        ("[server]\ngraphiql = 'maybe'", "labelgate.toml: server.graphiql must be true or false"),
        ("[mongodb]\ndriver = 'mongo'", "labelgate.toml: mongodb.driver must be motor or pymongo"),
        ("[mongodb]\ntimeout = 'long'", "labelgate.toml: mongodb.timeout must be a number"),
        ("[mongodb]\ntimeout = 0", "labelgate.toml: mongodb.timeout must be greater than 0"),
        ("[mongodb]\ndatabase = 'a.b'", "labelgate.toml: mongodb.database must match pattern"),
        ("[mongodb]\nurl = ''", "labelgate.toml: mongodb.url must not be empty"),
        ("[mongodb]\nurl = 5", "labelgate.toml: mongodb.url must be text"),
        ("sources = 1", "labelgate.toml: sources must be a table"),
        ("[sources]\na = 1", "labelgate.toml: sources.a must be a table"),
        ("[sources.a]", "labelgate.toml: sources.a.platform is missing"),
        ("[sources.a]\nplatform = 'pant'", "labelgate.toml: sources.a.platform names no platform that labelgate knows; did you mean paint?"),
        ("[sources.a]\nplatform = 'zz'", "labelgate.toml: sources.a.platform names no platform that labelgate knows; there are: paint, files"),
        ("[sources.A]\nplatform = 'files'", "labelgate.toml: sources.A is no name for a source: up to 63 of a-z"),
        ("[sources.a]\nplatform = 'files'\nenable = true", "labelgate.toml: sources.a.enable is not a setting; did you mean enabled?"),
        ("[sources.a]\nplatform = 'files'\nsync_every = 0", "labelgate.toml: sources.a.sync_every must be greater than or equal to 1"),
        ("[sources.a]\nplatform = 'paint'", "labelgate.toml: sources.a.api_key is missing"),
        (SOURCE + "apikey = 1", "labelgate.toml: sources.studio-1.apikey is not a setting; did you mean api_key?"),
        (SOURCE + "pages = 'many'", "labelgate.toml: sources.studio-1.pages must be a whole number"),
        (SOURCE + "projects = 'a'", "labelgate.toml: sources.studio-1.projects must be a list"),
        (SOURCE + "projects = ['a', 2]", "labelgate.toml: sources.studio-1.projects.1 must be text"),
        (SOURCE + "mode = 'none'", "labelgate.toml: sources.studio-1.mode must be full or delta"),
        (SOURCE + "backup_key = 5", "labelgate.toml: sources.studio-1.backup_key must be text"),
        (SOURCE + "url = 'http://x'", "labelgate.toml: sources.studio-1 url must start with https://"),
        (SOURCE + "backup_key = 'env:NOT_SET'", "labelgate.toml: sources.studio-1.backup_key refers to the environment variable NOT_SET, which is not set"),
        (SOURCE + "backup_key = 'a ${NOT_SET} b'", "labelgate.toml: sources.studio-1.backup_key refers to the environment variable NOT_SET, which is not set"),
        (SOURCE + "backup_key = 'file:/not/there'", "labelgate.toml: sources.studio-1.backup_key refers to /not/there: No such file or directory"),
        (SOURCE + "headers = {a = ''}", "labelgate.toml: sources.studio-1.headers.a must not be empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_field_and_reason(text: str, expected: str) -> None:
    """One line: where, which field, what it must be; never a value that may be secret."""
    lines = refused(text)
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_all_mistakes_are_told_at_once() -> None:
    """As many lines as mistakes, over all sections and sources."""
    text = SOURCE + "pages = 'x'\nprojekts = 1\n[sources.b]\nplatform = 'paint'\n[server]\nport = 'x'\nhosts = 1\n[lgo]"
    assert sorted(refused(text)) == [
        "labelgate.toml: lgo is not a setting; did you mean log?",
        "labelgate.toml: server.hosts is not a setting; did you mean host?",
        "labelgate.toml: server.port must be a whole number",
        "labelgate.toml: sources.b.api_key is missing",
        "labelgate.toml: sources.studio-1.pages must be a whole number",
        "labelgate.toml: sources.studio-1.projekts is not a setting; did you mean projects?",
    ]


def test_a_mistake_in_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set it finds it by its name."""
    monkeypatch.setenv("LABELGATE_SERVER__PORT", "many")
    monkeypatch.setenv("LABELGATE_SERVER__PROT", "1")
    monkeypatch.setenv("LABELGATE_SOURCES__STUDIO_1__MODE", "none")
    assert sorted(refused(SOURCE)) == [
        "LABELGATE_SERVER__PORT (server.port) must be a whole number",
        "LABELGATE_SERVER__PROT (server.prot) is not a setting; did you mean port?",
        "LABELGATE_SOURCES__STUDIO_1__MODE (sources.studio-1.mode) must be full or delta",
    ]


def test_a_variable_that_misses_a_setting_by_a_slip_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """One underscore instead of two is told; what Kubernetes sets for a service of our name is not."""
    monkeypatch.setenv("LABELGATE_SERVER_PORT", "9000")
    monkeypatch.setenv("LABELGATE_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("LABELGATE_SERVICE_HOST", "10.0.0.1")
    assert load().warnings == (
        "the environment variable LABELGATE_SERVER_PORT is not a setting; did you mean LABELGATE_SERVER__PORT?",
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[server\n", r"^labelgate\.toml: is not valid TOML: .*line 1"),
        (b"a = 'x'\na = 'y'\n", r"^labelgate\.toml: is not valid TOML: .*line 2"),
        (b"a = '\xff'", r"^labelgate\.toml: is not UTF-8 text \(byte 5\)$"),
    ],
)
def test_a_file_that_is_no_toml_is_told(content: bytes, expected: str) -> None:
    """With the line."""
    Path("labelgate.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=expected):
        load()


def test_a_section_that_is_no_json_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole section in a variable must be JSON; its text is not repeated."""
    monkeypatch.setenv("LABELGATE_SERVER", '{"port": 9}')
    assert load().server.port == 9
    monkeypatch.setenv("LABELGATE_SERVER", SECRET)
    with pytest.raises(SettingsError, match="server") as error:
        load()
    assert SECRET not in str(error.value)


@given(st.text("abcXYZ019._-/ é", max_size=70))
def test_source_names_are_plain(name: str) -> None:
    """Lower case letters, digits, dot, dash, underscore; 1 to 63; a letter or digit first."""
    plain = 0 < len(name) <= 63 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") and name[0] not in "._-"
    assert bool(NAME.fullmatch(name)) == plain


def test_the_default_connectors_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a list of connectors the installed ones are asked."""
    Path("labelgate.toml").write_text("[sources.a]\nplatform = 'kilo'")
    with pytest.raises(SettingsError, match="did you mean kili"):
        load()


def test_any_settings_class_field_reaches_its_instance() -> None:
    """What has a default may be left out."""
    settings: Any = read(SOURCE).sources["studio-1"].settings
    assert settings == Options(api_key=Secret(SECRET))
