"""Opens every library that TensorFlow needs of NVIDIA's before it uses a GPU. Needs no GPU.

    python kubernetes/image/check_gpu_libraries.py

TensorFlow itself skips all GPUs if one of them cannot be opened, with a line in its log. The build
of the image's gpu variant runs this, and fails where TensorFlow would be silent.
"""

from __future__ import annotations

import ctypes
import os
import sys

# tsl::internal::DsoLoader::MaybeTryDlopenGPULibraries() -> absl::Status
_OPEN_ALL = "_ZN3tsl8internal9DsoLoader26MaybeTryDlopenGPULibrariesEv"
_OK = 1  # absl::Status keeps a code without a message in one word: OkStatus() is 1


def opens_all() -> bool:
    """Returns whether all open; TensorFlow's log names those that do not."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="0", TF_CPP_VMODULE="dso_loader=1")
    import tensorflow as tf

    framework = ctypes.CDLL(
        os.path.join(tf.sysconfig.get_lib(), "libtensorflow_framework.so.2"), mode=os.RTLD_NOLOAD
    )
    # C++ returns such an object through a hidden first argument.
    status = ctypes.c_uint64(0)
    open_all = framework[_OPEN_ALL]
    open_all.restype = None
    open_all(ctypes.byref(status))
    return status.value == _OK


if __name__ == "__main__":
    if not opens_all():
        sys.exit("TensorFlow would use no GPU: a library above could not be loaded.")
    print("All of NVIDIA's libraries that TensorFlow asks for can be opened.")
