"""The suite again, for what is hardest: both phases' exports and both status files of one campaign in one folder."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from aplose_checks import OURS, SHARED

from tests.connector_suite import FileSuite


class TestBothPhases(FileSuite):
    """Marks are in two files, recordings in all four: nothing is written twice, whatever file comes last."""

    platform = "aplose"

    @pytest.fixture(autouse=True)
    def exports(self, tmp_path: Path) -> None:
        verification = OURS / "iroise_winter_results.csv"
        shutil.copy(verification, tmp_path / "iroise_results.csv")
        shutil.copy(OURS / "iroise_winter_status.csv", tmp_path / "iroise_status.csv")
        with verification.open(newline="") as stream:
            rows = [row[:-2] for row in csv.reader(stream)]
        made = rows[0].index("created_at_phase")
        with (tmp_path / "iroise_results (1).csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(row for row in rows if row[made] not in ("VERIFICATION", ""))
        with (OURS / "iroise_winter_status.csv").open(newline="") as stream:
            states = [[*row[:2], "CREATED", "FINISHED"] for row in csv.reader(stream)]
        states[0][2:] = ["jonas_kerr", "maelle.riou"]
        with (tmp_path / "iroise_status (1).csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(states)
        self.folder = tmp_path

    def groups(self) -> list[list[Path]]:
        return [sorted(self.folder.glob("*.csv"))]


@pytest.mark.skipif(not SHARED.is_dir(), reason="shared samples are not here")
class TestLiveExports(FileSuite):
    """The same with what a server of version 3 really wrote."""

    platform = "aplose"

    @pytest.fixture(autouse=True)
    def exports(self, tmp_path: Path) -> None:
        for kind in ("results", "status"):
            for phase in "AV":
                shutil.copy(
                    SHARED / "v3.4.1_live" / f"{kind}_{phase}_archived.csv", tmp_path / f"c_{kind} ({ord(phase)}).csv"
                )
        self.folder = tmp_path

    def groups(self) -> list[list[Path]]:
        return [sorted(self.folder.glob("*.csv"))]
