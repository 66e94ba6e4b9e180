"""Digits as pictures: digits.py CSV TRAIN TEST.

Writes scikit-learn's 1,797 handwritten digits, 8 x 8 values of 0 to 16, as BMP files LABEL_NUMBER.bmp of 24-bit colour, 246 bytes
each: the first four fifths to the folder TRAIN, the last fifth, by other writers, to TEST. Prints how many of TEST the
nearest neighbour in TRAIN tells, and how many of every third of them.
"""
import gzip
import pathlib
import struct
import sys


def bmp(pixels):
    """A BMP file of 8 x 8 values of 0 to 16, the top row first."""
    rows = [pixels[8 * y:8 * y + 8] for y in reversed(range(8))]
    data = bytes(min(255, 16 * value) for row in rows for value in row for _ in range(3))
    header = struct.pack("<2sIHHI", b"BM", 54 + len(data), 0, 0, 54)
    return header + struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 24, 0, len(data), 2835, 2835, 0, 0) + data


def nearest(pixels, train):
    return min(train, key=lambda row: sum((a - b) ** 2 for a, b in zip(pixels, row)))[64]


def main(csv, train_folder, test_folder):
    with gzip.open(csv, "rt") as file:
        digits = [[int(float(value)) for value in line.split(",")] for line in file]
    border = len(digits) * 4 // 5
    for folder, begin, end in (train_folder, 0, border), (test_folder, border, len(digits)):
        pathlib.Path(folder).mkdir()
        for number in range(begin, end):
            *pixels, label = digits[number]
            pathlib.Path(folder, f"{label}_{number:04}.bmp").write_bytes(bmp(pixels))
    train, test = digits[:border], digits[border:]
    right = [nearest(row, train) == row[64] for row in test]
    print(f"{len(train)} digits to learn from, {len(test)} for testing; the nearest neighbour tells {sum(right)} of these, and "
          f"{sum(right[::3])} of every third, {len(right[::3])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
