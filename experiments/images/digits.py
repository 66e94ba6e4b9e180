"""Digits as pictures: digits.py CSV TRAIN TEST SHIFTED.

Writes scikit-learn's 1,797 handwritten digits, 8 x 8 values of 0 to 16, as BMP files LABEL_NUMBER.bmp of 24-bit colour, 246 bytes
each: the first four fifths to the folder TRAIN, the last fifth, by other writers, to TEST; to SHIFTED those of TRAIN once more, as they
are and moved by a pixel to each of the four sides. Prints how many of TEST the nearest neighbour in TRAIN and in SHIFTED tells, and
how many of every third of them.
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


def moved(pixels, right, down):
    """The picture moved by so many pixels, what comes in being empty."""
    places = [(x - right, y - down) for y in range(8) for x in range(8)]
    return [pixels[8 * y + x] if 0 <= x < 8 and 0 <= y < 8 else 0 for x, y in places]


def nearest(pixels, train):
    return min(train, key=lambda row: sum((a - b) ** 2 for a, b in zip(pixels, row)))[64]


def write(folder, digits):
    pathlib.Path(folder).mkdir()
    for name, (*pixels, label) in digits:
        pathlib.Path(folder, f"{label}_{name}.bmp").write_bytes(bmp(pixels))


def main(csv, train_folder, test_folder, shifted_folder):
    with gzip.open(csv, "rt") as file:
        digits = [[int(float(value)) for value in line.split(",")] for line in file]
    border = len(digits) * 4 // 5
    named = [(f"{number:04}", digit) for number, digit in enumerate(digits)]
    train, test = named[:border], named[border:]
    moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    shifted = [(f"{name}_{i}", [*moved(digit[:64], *move), digit[64]]) for name, digit in train for i, move in enumerate(moves)]
    write(train_folder, train)
    write(test_folder, test)
    write(shifted_folder, shifted)
    print(f"{len(train)} digits to learn from, {len(test)} for testing")
    for what, known in ("digits", train), ("digits and moved copies", shifted):
        rows = [digit for _, digit in known]
        right = [nearest(digit, rows) == digit[64] for _, digit in test]
        print(f"the nearest neighbour among the {what} tells {sum(right)} of these, and {sum(right[::3])} of every third, {len(right[::3])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
