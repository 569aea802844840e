"""Settings: which value holds, where it is from, and what is refused with which words."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import Tether
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from tether.cli.config.meanings import MEANINGS
from tether.cli.config.settings import Resolved, resolve
from tether.cli.config.settings_model import KEYS, ROW_KEYS
from tether.cli.config.toml_files import key_lines
from tether.cli.config.toml_schema import toml_schema
from tether.errors import ProfileError, UsageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def user(tmp_path: Path) -> Path:
    directory = tmp_path / "config"
    directory.mkdir()
    return directory / "tether.toml"


def settings(
    home: Path, *profiles: str, env: dict[str, str] | None = None, **flags: Any
) -> Resolved:
    environ = {"TETHER_CONFIG_DIR": str(home.parent / "config"), **(env or {})}
    return resolve(flags, profiles=profiles, cwd=home, environ=environ)


def test_a_file_of_settings_that_is_none(home: Path, tether: Tether) -> None:
    for make in (lambda own: own.symlink_to("nowhere"), Path.mkdir):
        own = home / "tether.toml"
        make(own)
        ran = tether("profile", "list")
        assert (ran.code, ran.out) == (3, "")
        assert f"{own} cannot be read: " in ran.err
        assert len(ran.err.splitlines()) == 2
        own.unlink() if own.is_symlink() else own.rmdir()


def test_each_layer_hides_the_one_below(home: Path, user: Path) -> None:
    def holds(seed: int, place: str, flags: int | None = None, **more: Any) -> None:
        given: dict[str, Any] = {} if flags is None else {"seed": flags}
        found = settings(home, *more.pop("profiles", ()), **more, **given)
        assert found["seed"] == seed
        assert place in found.origins["seed"].place

    holds(0, "default")
    user.write_text("seed = 1\n[profiles.p]\nseed = 3\n")
    holds(1, f"{user}:1")
    (home / "tether.toml").write_text("\nseed = 2\n")
    holds(2, "work/tether.toml:2")
    holds(3, "[profiles.p]", profiles=["p"])
    holds(4, "TETHER_SEED", profiles=["p"], env={"TETHER_SEED": "4"})
    holds(5, "--seed", profiles=["p"], env={"TETHER_SEED": "4"}, flags=5)


def test_falsy_values_are_values(home: Path, user: Path) -> None:
    user.write_text('temperature = 0.7\nsystem = "x"\nstop = ["a"]\npretty = true\nseed = 3\n')
    (home / "tether.toml").write_text(
        'temperature = 0\nsystem = ""\nstop = []\npretty = false\nseed = 0\n'
    )
    found = settings(home)
    assert [found[k] for k in ("temperature", "system", "stop", "pretty", "seed")] == [
        0.0, "", [], False, 0,
    ]  # fmt: skip


def test_nearest_file_upwards(home: Path) -> None:
    (home / "pyproject.toml").write_text("[tool.tether]\nseed = 1\n[tool.other]\nx = 1\n")
    below = home / "a" / "b"
    below.mkdir(parents=True)
    (home / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    found = settings(below)
    assert found["seed"] == 1
    assert found.origins["seed"].place == f"{home / 'pyproject.toml'}:2"
    (home / "a" / "tether.toml").write_text("seed = 2\n")
    assert settings(below)["seed"] == 2
    (home / "tether.toml").write_text("seed = 3\n")
    with pytest.raises(ProfileError, match="holds both"):
        settings(home)


def test_profiles_extend_and_stack(home: Path) -> None:
    (home / "tether.toml").write_text(
        "[profiles.base]\nseed = 1\ntop_k = 1\nmin_p = 0.1\n"
        "[profiles.other]\nseed = 2\ntop_k = 2\n"
        "[profiles.child]\nextends = ['base', 'other']\nseed = 3\n"
    )
    child = settings(home, "child")
    assert (child["seed"], child["top_k"], child["min_p"]) == (3, 2, 0.1)
    assert settings(home, "child", "base")["seed"] == 1
    assert settings(home, env={"TETHER_PROFILE": "base, other"})["top_k"] == 2


def test_a_constraint_replaces_the_one_below(home: Path) -> None:
    (home / "tether.toml").write_text('schema = "a"\n[profiles.p]\nregex = "x"\n')
    assert settings(home)["schema"] == "a"
    found = settings(home, "p")
    assert (found["schema"], found["regex"]) == (None, "x")
    flag = settings(home, "p", choices=["y"])
    assert (flag["regex"], flag["choices"]) == (None, ["y"])


def test_paths_start_from_the_file_that_names_them(home: Path, user: Path) -> None:
    (home / "m").mkdir()
    text = 'system = "@s.txt"\nevidence = ["@e.txt", "@@x"]\nmodel = "m"\nschema = "s.json"\n'
    (home / "tether.toml").write_text(text)
    below = home / "below"
    below.mkdir()
    found = settings(below)
    assert found["system"] == f"@{home / 's.txt'}"
    assert found["evidence"] == [f"@{home / 'e.txt'}", "@@x"]
    assert found["model"] == str(home / "m")
    assert found.origins["schema"].base == home


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("temprature = 1\n", (":1: unknown key `temprature`", "Did you mean `temperature`")),
        ("[profiles.p]\nx = 1\n\nseeed = 1\n", (":2: unknown key `x`",)),
        ("seed = 'a'\n", (":1: `seed` = 'a' is wrong: input should be a valid integer",)),
        ("\n\nseed = true\n", (":3: `seed` = True is wrong",)),
        ("max_tokens = '9'\n", ("valid integer",)),
        ("logit_bias = {x = 1}\n", ("`logit_bias` = {'x': 1} is wrong",)),
        ("choices = []\n", ("at least 1 item",)),
        ("seed = 1\nseed = 2\n", ("is not valid TOML", "line 2")),
        ("[profiles.p]\nextends = 'q'\n", (":2: there is no profile 'q'", "profiles: grounded, p")),
        ("[profiles.p]\nextends = 'r'\n[profiles.r]\nextends='p'\n", ("p -> r -> p",)),
        ("[profiles.p]\nextends = 3\n", ("neither a name nor a list",)),
        ("profiles = 3\n", ("`profiles` is not a table",)),
        ("schema = 'a'\nregex = 'b'\n", ("both say what may be said",)),
    ],
)
def test_refused_files(home: Path, toml: str, words: tuple[str, ...]) -> None:
    (home / "tether.toml").write_text(toml)
    with pytest.raises(ProfileError) as refused:
        settings(home, *(["p"] if "profiles" in toml else []))
    for word in words:
        assert word in str(refused.value)


def test_unknown_profile(home: Path) -> None:
    (home / "tether.toml").write_text("[profiles.extract]\n")
    with pytest.raises(ProfileError, match="Did you mean `extract`"):
        settings(home, "extrct")


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"TETHER_SEED": "x"}, "TETHER_SEED: `seed` = 'x' is wrong"),
        ({"TETHER_SEED": ""}, "TETHER_SEED"),
        ({"TETHER_SEDE": "1"}, "Did you mean `TETHER_SEED`"),
        ({"TETHER_LOGIT_BIAS": "a=b"}, "TETHER_LOGIT_BIAS: 'a=b' is not ID=VALUE"),
        ({"TETHER_STOP": "[1"}, "TETHER_STOP is not valid JSON"),
    ],
)
def test_refused_variables(home: Path, env: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("`", ".")):
        settings(home, env=env)


def test_variables_of_every_shape(home: Path) -> None:
    env = {
        "TETHER_STOP": "a,b", "TETHER_CHOICES": '["x, y"]', "TETHER_LOGIT_BIAS": "3=1,4=-2.5",
        "TETHER_THINK": "yes", "TETHER_TEMPERATURE": "0", "TETHER_PRETTY": "false",
        "TETHER_SYSTEM": "", "TETHER_TOP_K": "5",
    }  # fmt: skip
    found = settings(home, env=env)
    assert (found["stop"], found["choices"]) == (["a", "b"], ["x, y"])
    assert (found["logit_bias"], found["think"]) == ({3: 1.0, 4: -2.5}, True)
    assert (found["temperature"], found["pretty"], found["top_k"]) == (0.0, False, 5)
    assert settings(home, env={"TETHER_THINK": "END"})["think"] == "END"


def test_every_key_is_explained() -> None:
    assert set(MEANINGS) == set(KEYS)
    assert set(ROW_KEYS) < set(KEYS)


def test_published_schema_agrees_with_the_settings(home: Path) -> None:
    import jsonschema_rs

    judge = jsonschema_rs.validator_for(toml_schema())
    good = {"seed": 1, "logit_bias": {"3": 1.0}, "profiles": {"p": {"extends": "q", "top_k": 0}}}
    assert judge.is_valid(good)
    bad: dict[str, Any]
    for bad in ({"sede": 1}, {"seed": "x"}, {"profiles": {"p": {"x": 1}}}, {"choices": []}):
        assert not judge.is_valid(bad)
    assert set(toml_schema()["properties"]) == {*KEYS, "profiles"}


def test_key_lines() -> None:
    text = 'a = 1\ns = """\nb = 2\n"""\n["x"."y z"]\n"q r" = 1 # [no]\nd.e = 2\n[[list]]\nk=1\n'
    assert key_lines(text) == {
        ("a",): 1, ("s",): 2, ("x", "y z"): 5, ("x", "y z", "q r"): 6, ("x", "y z", "d", "e"): 7,
        ("list",): 8, ("list", "k"): 9,
    }  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers() | st.text(max_size=3)))
def test_any_flags_give_settings_or_an_error_of_ours(flags: dict[str, Any]) -> None:
    found: Resolved | None = None
    with suppress(UsageError):
        found = resolve(flags, cwd=Path("/"), environ={"TETHER_CONFIG_DIR": "/nowhere"})
    assert found is None or set(found.values) == set(KEYS)


def test_profile_commands(tether: Tether, fake: FakeEngine, home: Path) -> None:
    first = tether("profile", "list")
    assert "tether profile init" in first.err
    assert first.out.startswith("grounded  ")
    assert "(comes with tether)" in first.out
    assert tether("profile", "init").code == 0
    assert tether("profile", "init").code == 2
    listed = tether("profile", "list").out
    assert "person" in listed
    assert "tether.toml:" in listed
    shown = tether("profile", "show", "creative", "--origin").out
    assert "temperature = 0.8  # " in shown
    assert "[profiles.creative]" in shown
    assert "# regex is not set" in shown
    as_json = json.loads(tether("profile", "show", "creative", "--json").out)
    assert as_json["temperature"] == 0.8
    checked = tether("profile", "check")
    assert (checked.code, checked.err) == (0, ""), checked.out
    schema = json.loads(tether("profile", "schema").out)
    assert schema == toml_schema()


def test_shown_profile_is_toml_that_says_the_same(tether: Tether, home: Path) -> None:
    (home / "tether.toml").write_text(
        'stop = ["a\\n"]\nlogit_bias = {3 = 0.5}\nsystem = """x\n"y\'"""\n'
    )
    shown = tether("profile", "show").out
    (home / "tether.toml").write_text(shown)
    assert tether("profile", "show").out == shown


def test_profile_check_finds_everything(tether: Tether, home: Path) -> None:
    (home / "tether.toml").write_text(
        'sed = 1\n[profiles.a]\nschema = "name itn"\n[profiles.b]\nextends = "c"\n'
        '[profiles.d]\ntemplate = "{x.y}"\n[profiles.e]\nregex = "("\n[profiles.f]\nseed = 1\n'
    )
    ran = tether("profile", "check")
    assert ran.code == 3
    for word in ("`sed`", "itn", "no profile 'c'", "{x.y}", "[profiles.e]"):
        assert word in ran.out
    assert "profiles.f" not in ran.out


def test_shipped_profiles_stand_below_ones_own(home: Path) -> None:
    shipped = resolve({}, profiles=["grounded"])
    assert shipped["ground"] == ["copy"]
    assert shipped.origins["ground"].kind == "profile"
    (home / "tether.toml").write_text('[profiles.grounded]\nseed = 3\n[profiles.a]\nextends="b"\n')
    own = resolve({}, profiles=["grounded"])
    assert (own["seed"], own["ground"]) == (3, [])
    with pytest.raises(ProfileError, match="'nowhere'"):
        resolve({}, profiles=["nowhere"])


def test_paths_of_an_index_start_at_the_file(home: Path) -> None:
    (home / "tether.toml").write_text('index = "kb"\n')
    (home / "deeper").mkdir()
    assert resolve({}, cwd=home / "deeper", environ={})["index"] == str(home / "kb")
    assert resolve({"index": "kb"}, cwd=home, environ={})["index"] == "kb"


def test_methods_in_the_environment_keep_their_commas() -> None:
    found = resolve({}, cwd=Path("/"), environ={"TETHER_GROUND": "copy,by=ngram"})
    assert found["ground"] == ["copy,by=ngram"]
