"""The reader of scale files passes the suite that every platform passes."""

from tests.connector_suite import FileSuite


class TestScaleFiles(FileSuite):
    platform = "scale"
