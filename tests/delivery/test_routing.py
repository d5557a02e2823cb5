"""The share of each relay holds over all letters and over each provider's; nothing goes where it may not."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.routing import Switch
from newsletter.relays import RelaySettings

THREE = {
    "big": RelaySettings(weight=70),
    "middle": RelaySettings(weight=20),
    "small": RelaySettings(weight=10),
}
PROVIDERS = ("google", "microsoft", "yahoo", "other")


def split(switch: Switch, providers: Sequence[str], usable: Sequence[str] = tuple(THREE)) -> Counter[str | None]:
    return Counter(switch.choose("brief", provider, usable) for provider in providers)


def test_seventy_twenty_and_ten_of_a_hundred() -> None:
    switch = Switch(THREE)
    for _ in range(5):
        assert split(switch, ["google"] * 100) == {"big": 70, "middle": 20, "small": 10}


@given(st.lists(st.sampled_from(PROVIDERS), min_size=100, max_size=400))
def test_the_split_holds_within_two_letters_whatever_the_providers(stream: list[str]) -> None:
    switch = Switch(THREE)
    chosen = [(provider, switch.choose("brief", provider, THREE)) for provider in stream]
    for part in (chosen, *([one for one in chosen if one[0] == provider] for provider in PROVIDERS)):
        counted = Counter(relay for _, relay in part)
        for name, one in THREE.items():
            assert abs(counted[name] - len(part) * one.weight / 100) < 2


@given(st.lists(st.integers(1, 100), min_size=1, max_size=6), st.integers(1, 3))
def test_the_split_is_exact_over_multiples(weights: list[int], times: int) -> None:
    relays = {f"relay-{place}": RelaySettings(weight=weight) for place, weight in enumerate(weights)}
    counted = split(Switch(relays), ["google"] * (sum(weights) * times), tuple(relays))
    assert [counted[name] for name in relays] == [weight * times for weight in weights]


def test_two_providers_that_take_turns_are_not_given_a_relay_each() -> None:
    switch = Switch({"one": RelaySettings(), "two": RelaySettings()})
    chosen = Counter(
        (provider, switch.choose("brief", provider, ("one", "two"))) for provider in ("google", "yahoo") * 50
    )
    assert set(chosen.values()) == {25}


def test_a_relay_that_was_away_has_nothing_to_catch_up() -> None:
    switch = Switch(THREE)
    split(switch, ["google"] * 100)
    assert split(switch, ["google"] * 300, ("middle", "small")) == {"middle": 200, "small": 100}
    assert split(switch, ["google"] * 100) == {"big": 70, "middle": 20, "small": 10}


def test_a_higher_number_waits_until_no_lower_one_can_be_used() -> None:
    relays = {"spare": RelaySettings(priority=5, weight=90), "first": RelaySettings(), "second": RelaySettings()}
    switch = Switch(relays)
    assert switch.tiers("brief", "google") == (("first", "second"), ("spare",))
    assert split(switch, ["google"] * 10, tuple(relays)) == {"first": 5, "second": 5}
    assert split(switch, ["google"] * 10, ("second", "spare")) == {"second": 10}
    assert split(switch, ["google"] * 10, ("spare",)) == {"spare": 10}
    assert split(switch, ["google"] * 10, ()) == {None: 10}


def test_a_relay_gets_only_what_it_is_for() -> None:
    relays = {
        "japan": RelaySettings(newsletters=("asia",)),
        "google": RelaySettings(providers=("google",)),
        "all": RelaySettings(priority=1),
    }
    switch = Switch(relays)
    assert switch.choose("brief", "google", relays) == "google"
    assert switch.choose("brief", "yahoo", relays) == "all"
    assert switch.choose("asia", "yahoo", relays) == "japan"
    assert switch.choose("brief", "yahoo", ("japan", "google")) is None


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.builds(
            RelaySettings,
            weight=st.integers(1, 9),
            priority=st.integers(0, 2),
            newsletters=st.sampled_from([(), ("brief",), ("asia",)]),
            providers=st.sampled_from([(), ("google",), ("yahoo", "other")]),
        ),
    ),
    st.lists(
        st.tuples(st.sampled_from(("brief", "asia")), st.sampled_from(PROVIDERS), st.sets(st.sampled_from("abcdef")))
    ),
)
def test_what_is_chosen_is_usable_fits_and_comes_first(
    relays: dict[str, RelaySettings], letters: list[tuple[str, str, set[str]]]
) -> None:
    switch = Switch(relays)
    for newsletter, provider, usable in letters:
        fit = {name: one for name, one in relays.items() if name in usable and one.is_for(newsletter, provider)}
        chosen = switch.choose(newsletter, provider, usable)
        assert (chosen is None) == (not fit)
        if chosen is not None:
            assert relays[chosen].priority == min(one.priority for one in fit.values())
