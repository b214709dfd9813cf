"""From labelled pictures of any common layout to TFRecord shards, without importing TensorFlow.

`convert.convert` is the one entry point; `dataset.load_dataset` reads back what it left. Nothing in
this package imports TensorFlow, so that the command starts in a fraction of a second and every
worker process stays small. The one exception is the optional reader of TensorFlow Datasets.
"""
