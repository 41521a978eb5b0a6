"""Dotted overrides: what they set, and the one line that a wrong one gives."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from selfplay.config import apply_overrides, flatten, keys, parse_count, parse_pairs
from selfplay.errors import UserError

Width = Annotated[int, Field(ge=1, le=4096)]


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: float = Field(0.2, gt=0, le=1)
    epochs: int = Field(2, ge=1)
    hidden: tuple[Width, ...] = Field((64, 64), min_length=1)
    schedule: Literal["constant", "linear"] = "constant"
    target_kl: float | None = Field(None, gt=0)
    limit: Annotated[int, Field(ge=2)] | None = None
    fused: bool = True


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    num_envs: int = Field(512, ge=1)
    name: str = "a"
    ppo: Inner = Inner()
    other: Inner | None = None

    @model_validator(mode="after")
    def _check(self):
        if self.num_envs % 2:
            raise ValueError(f"num_envs: {self.num_envs} is odd, of all numbers")
        return self


def line(overrides, **options):
    with pytest.raises(UserError) as caught:
        apply_overrides(Outer, overrides, **options)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_values_of_every_type():
    done = apply_overrides(
        Outer,
        {
            "num_envs": "2k",
            "name": "5M",
            "ppo.clip": "1e-1",
            "ppo.hidden": "[32, 16]",
            "ppo.schedule": "linear",
            "ppo.target_kl": "0.5",
            "ppo.limit": "30",
            "ppo.fused": "false",
            "other.epochs": "7",
        },
    )
    assert (done.num_envs, done.name) == (2000, "5M")
    ppo = Inner(clip=0.1, hidden=(32, 16), schedule="linear", target_kl=0.5, limit=30, fused=False)
    assert done.ppo == ppo
    assert done.other == Inner(epochs=7)
    back = apply_overrides(Outer, {"ppo.target_kl": "none", "ppo.hidden": "8,8"}, base=done)
    assert back.ppo == ppo.model_copy(update={"target_kl": None, "hidden": (8, 8)})
    assert back.num_envs == 2000
    assert apply_overrides(Outer, {}) == Outer()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ppo.clip", "nan", "ppo.clip: nan is not a finite number (expected 0 < clip <= 1)"),
        ("ppo.clip", "inf", "ppo.clip: inf is not a finite number (expected 0 < clip <= 1)"),
        ("ppo.clip", "2", "ppo.clip: 2 is not in range (expected 0 < clip <= 1)"),
        ("ppo.clip", "small", "ppo.clip: small is not a finite number (expected 0 < clip <= 1)"),
        ("ppo.epochs", "0", "ppo.epochs: 0 is not in range (expected 1 <= epochs)"),
        ("ppo.epochs", "1.5", "ppo.epochs: 1.5 is not a whole number (expected 1 <= epochs)"),
        ("ppo.target_kl", "-NaN", "ppo.target_kl: -NaN is not a finite number (expected 0 < target_kl)"),
        ("ppo.limit", "1", "ppo.limit: 1 is not in range (expected 2 <= limit)"),
        ("ppo.hidden", "64,0", "ppo.hidden: 0 is not in range (expected 1 <= hidden <= 4096)"),
        ("ppo.hidden", "64,x", "ppo.hidden: x is not a whole number (expected 1 <= hidden <= 4096)"),
        ("ppo.fused", "perhaps", "ppo.fused: perhaps is not true or false"),
        ("ppo.schedule", "linera", "ppo.schedule: linera is not one of constant, linear; did you mean 'linear'?"),
        ("num_envs", "3", "num_envs: 3 is odd, of all numbers"),
        ("ppo.clp", "1", "--set: unknown key 'ppo.clp'; did you mean 'ppo.clip'?"),
        ("clip", "1", "--set: unknown key 'clip'; did you mean 'ppo.clip'?"),
        ("clpi", "1", "--set: unknown key 'clpi'; did you mean 'ppo.clip'?"),
        ("pro.clip", "1", "--set: unknown key 'pro.clip'; did you mean 'ppo.clip'?"),
        ("ppo.clip.x", "1", "--set: unknown key 'ppo.clip.x'; did you mean 'ppo.clip'?"),
        ("name.x", "1", "--set: unknown key 'name.x'; did you mean 'name'?"),
    ],
)
def test_wrong_ones_give_one_line(key, value, expected):
    assert line({key: value}) == expected


def test_empty_list_and_group_are_explained():
    assert line({"ppo.hidden": ""}).startswith("ppo.hidden: ")
    assert line({"ppo": "3"}) == (
        "--set ppo: is a group of settings, not one "
        "(it has ppo.clip, ppo.epochs, ppo.hidden, ppo.schedule, ppo.target_kl, ppo.limit, …)"
    )
    assert line({"zzzzzz": "3"}, option="--reward").startswith(
        "--reward: unknown key 'zzzzzz'; expected one of num_envs,"
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("5M", 5_000_000), ("300k", 300_000), ("1e6", 1_000_000), ("2_000", 2000), ("1.5m", 1_500_000), ("7", 7),
     ("1G", 10**9), ("9007199254740993", 9007199254740993)],
)  # fmt: skip
def test_counts_as_people_write_them(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "inf", "1.5", "5MM", "M", "1e400", "five", "1e-3"])
def test_counts_that_are_none(text):
    with pytest.raises(ValueError, match=r"is not a positive whole number \(expected for example 5M, 300k"):
        parse_count(text)


def test_pairs():
    assert parse_pairs(["a.b = 1", "c=x=y"]) == {"a.b": "1", "c": "x=y"}
    with pytest.raises(UserError, match=r"--set a: expected key=value"):
        parse_pairs(["a"])
    with pytest.raises(UserError, match=r"--set a: given twice, as 1 and as 2"):
        parse_pairs(["a=1", "a=2"])


def test_flatten_and_keys_agree():
    assert list(keys(Inner)) == list(flatten(Inner()))
    assert flatten(Outer())["ppo.hidden"] == [64, 64]
    assert flatten({"a": {"b": 1}, "c": 2}) == {"a.b": 1, "c": 2}
