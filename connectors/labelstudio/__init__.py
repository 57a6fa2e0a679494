"""Label Studio: projects, tasks, answers, drafts and verdicts (fact sheet ``platforms/labelstudio.md``)."""

from connectors.contract import Connector
from connectors.labelstudio.files import read
from connectors.labelstudio.live import LabelStudioSource
from connectors.labelstudio.settings import Settings

CONNECTOR = Connector(
    name="labelstudio",
    title="Label Studio",
    settings=Settings,
    read=read,
    open=LabelStudioSource,
    samples="connectors.labelstudio.samples",
    sandbox="connectors.labelstudio.sandbox:create",
)
