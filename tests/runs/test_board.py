"""What the board writes is what TensorBoard reads."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from selfplay.board import Band, Board
from selfplay.runlog import RunLog


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0, "histograms": 0})
    events.Reload()
    return events


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_scalars_and_quantiles(tmp_path):
    board = Board(tmp_path)
    values = {"a": 1, "b": np.float64(0.5), "c": torch.tensor(2.0), "d": True, "nan": np.nan, "none": None, "word": "x"}
    board.scalars(values, 7)
    assert board.quantiles("t", np.arange(101).reshape(1, 101), 7) == {"t/p10": 10.0, "t/p50": 50.0, "t/p90": 90.0}
    assert board.quantiles("empty", [], 7) == {}
    board.histogram("h", np.arange(10), 7)
    board.histogram("empty", [], 7)
    board.close()
    events = read(tmp_path)
    assert set(events.Tags()["scalars"]) == {"a", "b", "c", "d", "t/p10", "t/p50", "t/p90"}
    assert events.Tags()["histograms"] == ["h"]
    assert scalars(events, "c") == [(7, 2.0)]
    assert scalars(events, "t/p90") == [(7, 90.0)]


def test_pictures(tmp_path):
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (5, 9, 3), np.uint8)
    frames = np.zeros((4, 6, 8, 3), np.uint8)
    for index in range(4):
        frames[index, :, index] = 255
    board = Board(tmp_path)
    board.image("still", still, 3)
    board.gif("moving", frames, 4, fps=10)
    for wrong in (still[0], still.astype(float), still[..., :2]):
        with pytest.raises(ValueError, match=r"expected uint8 \[H, W, 3\]"):
            board.image("wrong", wrong, 3)
    with pytest.raises(ValueError, match="no frames"):
        board.gif("wrong", [], 3)
    with pytest.raises(ValueError, match="fps is 0"):
        board.gif("wrong", frames, 3, fps=0)
    board.close()
    events = read(tmp_path)
    (event,) = events.Images("still")
    assert (event.step, event.height, event.width) == (3, 5, 9)
    assert (np.asarray(Image.open(io.BytesIO(event.encoded_image_string))) == still).all()
    (event,) = events.Images("moving")
    moving = Image.open(io.BytesIO(event.encoded_image_string))
    assert (moving.format, moving.n_frames, moving.info["duration"], moving.info["loop"]) == ("GIF", 4, 100, 0)
    for index in range(4):
        moving.seek(index)
        assert (np.asarray(moving.convert("RGB")) == frames[index]).all()


def test_layout_is_read_back(tmp_path):
    board = Board(tmp_path)
    board.layout({"curriculum": {"lengths": ["alice/t_A", "bob/t_B"], "difficulty": Band("d/p50", "d/p10", "d/p90")}})
    board.close()
    (event,) = read(tmp_path).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    (category,) = layout.category
    assert (category.title, category.closed) == ("curriculum", False)
    lines, band = category.chart
    assert list(lines.multiline.tag) == ["^alice/t_A$", "^bob/t_B$"]
    (series,) = band.margin.series
    assert (series.value, series.lower, series.upper) == ("d/p50", "d/p10", "d/p90")


def test_hparams_are_read_back(tmp_path):
    board = Board(tmp_path)
    board.hparams({"ppo.clip": 0.2, "method": "ppo", "hidden": [64, 64], "nothing": None}, ["eval/success"])
    board.close()
    content = read(tmp_path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    session = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert session.hparams["ppo.clip"].number_value == 0.2
    assert session.hparams["hidden"].string_value == "[64, 64]"
    assert "nothing" not in session.hparams


def test_a_resumed_run_replaces_what_lay_beyond_its_checkpoint(tmp_path):
    log = RunLog(tmp_path)
    log.metrics(0, {"a": 0.0})
    log.metrics(10, {"a": 1.0})
    offsets = log.offsets()
    log.metrics(20, {"a": 2.0, "gone": 2.0})
    log.metrics(30, {"a": 3.0})
    log.close()
    log = RunLog(tmp_path, offsets, step=10)
    log.metrics(20, {"a": 20.0})
    log.close()
    events = read(tmp_path)
    assert scalars(events, "a") == [(0, 0.0), (10, 1.0), (20, 20.0)]
    log = RunLog(tmp_path)  # no checkpoint: from the beginning
    log.metrics(0, {"a": 5.0})
    log.close()
    assert scalars(read(tmp_path), "a") == [(0, 5.0)]
