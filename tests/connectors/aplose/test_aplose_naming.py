"""What file names say about campaigns and parts."""

from __future__ import annotations

import pytest

from connectors.aplose.naming import campaign_of, campaigns, parts


@pytest.mark.parametrize(
    ("name", "campaign"),
    [
        ("APOCADO_results.csv", "APOCADO"),
        ("published/APOCADO_status.csv", "APOCADO"),
        ("APOCADO_status (1).csv", "APOCADO"),
        ("APOCADO_status - Copie.csv", "APOCADO"),
        ("results_A_done.csv", "A_done"),
        ("Deep_sea_results_2024.csv", "Deep_sea_2024"),
        ("RESULTS-gulf.CSV", "gulf"),
        ("statussymbol.csv", "statussymbol"),
        ("ELAN/results.csv", "ELAN"),
        ("results.csv", "results"),
        ("-", "stdin"),
        ("my.campaign.v2_status.csv", "my.campaign.v2"),
    ],
)
def test_the_campaign_is_the_name_without_its_kind(name: str, campaign: str) -> None:
    """The words results and status, and marks of copies, go; a name of nothing else is its folder's."""
    assert campaign_of(name) == campaign


def test_folders_with_files_of_one_name_hold_other_campaigns() -> None:
    """``a/results_1.csv`` and ``b/results_1.csv`` are no two exports of one campaign; told by hand, they are."""
    names = ["a/results_1.csv", "b/results_1.csv", "a/status_1.csv", "c/status_2.csv"]
    assert campaigns(names, None) == ["a/1", "b/1", "a/1", "2"]
    assert campaigns(names, "gulf") == ["gulf"] * 4


def test_results_and_status_in_two_folders_are_one_campaign() -> None:
    """Folders alone say nothing."""
    assert campaigns(["results/gulf.csv", "status/gulf_status.csv"], None) == ["gulf", "gulf"]


def test_parts_are_base_names_and_never_the_same() -> None:
    """A part that two files shared would bury the rows of one of them."""
    assert parts(["a/x.csv", "y.csv"]) == ["x.csv", "y.csv"]
    assert parts(["a/x.csv", "b/x.csv", "b/x.csv", "-"]) == ["x.csv", "b/x.csv", "b/x.csv (2)", "-"]
