"""The reader of Label Studio exports passes the suite that every platform passes."""

from tests.connector_suite import FileSuite


class TestLabelStudioFiles(FileSuite):
    platform = "labelstudio"
