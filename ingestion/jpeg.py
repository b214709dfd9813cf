"""Whether a JPEG file is whole and of a kind that every decoder reads.

Pillow's libjpeg decodes more than TensorFlow's: lossless and arithmetic coding, files without an
end, several pictures in one. A record that TensorFlow refuses would stop a training run hours
later, so only files that pass here are kept as they are; others are encoded anew.
Markers: ITU-T T.81, Annex B, https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import re

_SOI = b"\xff\xd8"
_EOI = 0xD9
_SOS = 0xDA
_KEPT_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended and progressive, Huffman-coded
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8}  # 0xC4: Huffman tables
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
# In a scan, 0xFF is followed by a stuffed zero or by a restart mark; anything else ends it.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def is_plain_jpeg(data: bytes) -> bool:
    """Walks the markers of a file from its start to its end.

    Args:
        data: The file.

    Returns:
        Whether it is one baseline or progressive picture of 8 bits, with nothing but well-formed
        segments between its start and an end-of-image mark, and nothing after that.
    """
    if not data.startswith(_SOI):
        return False
    position = 2
    num_frames = num_scans = 0
    while position + 2 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        position += 2
        if marker == _EOI:
            return position == len(data) and num_frames == 1 and num_scans > 0
        if marker in _NO_LENGTH or marker in _OTHER_FRAMES or marker in (0x00, 0xFF):
            return False
        length = int.from_bytes(data[position : position + 2], "big")
        if length < 2 or position + length > len(data):
            return False
        if marker in _KEPT_FRAMES:
            num_frames += 1
            if length < 8 or data[position + 2] != 8:  # bits per sample
                return False
        position += length
        if marker == _SOS:
            num_scans += 1
            end = _END_OF_SCAN.search(data, position)
            if end is None:
                return False
            position = end.start()
    return False
