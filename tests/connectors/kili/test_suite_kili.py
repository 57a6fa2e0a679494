"""The reader of kili files passes the suite that every platform passes."""

from tests.connector_suite import FileSuite


class TestKiliFiles(FileSuite):
    platform = "kili"
