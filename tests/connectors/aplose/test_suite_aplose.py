"""The reader of aplose files passes the suite that every platform passes."""

from tests.connector_suite import FileSuite


class TestAploseFiles(FileSuite):
    platform = "aplose"
