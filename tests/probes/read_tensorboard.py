"""What TensorBoard's own reader, which may import TensorFlow, finds in a folder of event files, as JSON."""

import json
import sys
from pathlib import Path

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

folder = sys.argv[1]
reader = event_accumulator.EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0, "tensors": 0})
reader.Reload()
tags = reader.Tags()
start = (
    plugin_data_pb2.HParamsPluginData.FromString(reader.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    if "_hparams_/session_start_info" in reader.summary_metadata
    else None
)
found = {
    "scalars": {tag: [[event.step, event.value] for event in reader.Scalars(tag)] for tag in tags["scalars"]},
    "images": {tag: [[event.width, event.height] for event in reader.Images(tag)] for tag in tags["images"]},
    "hparams": {} if start is None else {
        name: getattr(value, value.WhichOneof("kind")) for name, value in start.session_start_info.hparams.items()
    },
    "files": len(list(Path(folder).iterdir())),
}  # fmt: skip
print("found", json.dumps(found))
