"""MIDI files, as far as tunes need them: their notes; and abc2midi, which makes them from ABC.

midi.py FILES sets the length that each file's track says it has to what it is."""
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile


class Malformed(Exception):
    """Bytes that are no MIDI file."""


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, number):
        if self.at + number > len(self.data):
            raise Malformed(f"ends at byte {len(self.data)}, before its time")
        self.at += number
        return self.data[self.at - number:self.at]

    def fixed(self, number):
        return int.from_bytes(self.bytes(number), "big")

    def expect(self, text):
        if self.bytes(len(text)) != text:
            raise Malformed(f"byte {self.at - len(text)}: not {text.decode()}")

    def number(self):
        """A number of up to four bytes, seven bits each; the last one is below 128."""
        value = 0
        for _ in range(4):
            byte = self.fixed(1)
            value = value << 7 | byte & 127
            if byte < 128:
                return value
        raise Malformed(f"byte {self.at}: a number of more than four bytes")

    def value(self):
        """A byte of an event: below 128."""
        value = self.fixed(1)
        if value > 127:
            raise Malformed(f"byte {self.at - 1}: {value} where at most 127 is possible")
        return value


def _track(reader, division, notes):
    """Reads a track to its end, and appends its notes."""
    time, status, sounding = 0, None, {}
    while True:
        time += reader.number()
        first = reader.fixed(1)
        if first == 0xff:
            kind = reader.value()
            reader.bytes(reader.number())
            status = None
            if kind == 0x2f:
                return
        elif first in (0xf0, 0xf7):
            reader.bytes(reader.number())
            status = None
        elif first > 0xf0:
            raise Malformed(f"byte {reader.at - 1}: an event {first:#x}")
        elif first >= 0x80 or status is not None:
            status, key = (first, reader.value()) if first >= 0x80 else (status, first)
            kind = status >> 4
            value = 0 if kind in (0xc, 0xd) else reader.value()
            begun = sounding.setdefault((status & 15, key), [])
            if kind == 9 and value:
                begun.append((len(notes), time))
                notes.append((time / division, key, None))
            elif kind in (8, 9) and begun:
                index, since = begun.pop(0)
                notes[index] = since / division, key, (time - since) / division
        else:
            raise Malformed(f"byte {reader.at - 1}: an event that begins with {first}")


def read(data):
    """(notes, fault): the notes, each (onset, key, duration) in quarter notes, track after track in the order of their onsets; and what is
    wrong with the file, None where nothing is. Of a file with a fault the notes before it count, as a player would have them. A
    track's length is checked but not relied on. A note that never ends has the duration None."""
    reader, notes, fault = _Reader(data), [], None
    try:
        reader.expect(b"MThd")
        length, form, tracks, division = reader.fixed(4), reader.fixed(2), reader.fixed(2), reader.fixed(2)
        if length != 6 or form > 1 or tracks < 1 or (form == 0 and tracks > 1) or not 0 < division < 0x8000:
            raise Malformed("a header that no tune has")
        for _ in range(tracks):
            reader.expect(b"MTrk")
            length = reader.fixed(4)
            begin = reader.at
            _track(reader, division, notes)
            if reader.at != begin + length:
                fault = f"byte {begin - 4}: a track of {reader.at - begin} bytes says that it has {length}"
        if reader.at != len(data):
            raise Malformed(f"goes on after its last track, which ends at byte {reader.at}")
    except Malformed as error:
        fault = str(error)
    return notes, fault


def with_length(data):
    """A MIDI file of one track, that says that its track is as long as the rest of the file. Others as they are."""
    return data[:18] + (len(data) - 22).to_bytes(4, "big") + data[22:] if data[10:12] == b"\0\1" and data[14:18] == b"MTrk" and len(data) >= 22 else data


def abc2midi(program, folder, tunes):
    """What the program makes of each ABC tune: (MIDI, None), or (None, messages) where it reports an error or makes nothing; it exits
    with 0 all the same. Works on all cores. The folder keeps what was made, by the ABC's digest, and it is not made again."""
    program, folder = pathlib.Path(program).resolve(), pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    def one(abc):
        name = hashlib.sha256(abc).hexdigest()[:32]
        midi, messages = folder / f"{name}.mid", folder / f"{name}.txt"
        if not midi.exists() and not messages.exists():
            tune, made = place / f"{name}.abc", place / f"{name}.mid"
            tune.write_bytes(abc)
            try:
                done = subprocess.run([program, tune.name, "-o", made.name], cwd=place, timeout=60, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                said, good = done.stdout, done.returncode == 0
            except subprocess.TimeoutExpired:
                said, good = b"Error: it did not end within a minute\n", False
            if good and b"Error" not in said and made.exists():
                made.rename(midi)
            else:
                said_there = place / f"{name}.txt"
                said_there.write_bytes(said)
                said_there.rename(messages)
        return (midi.read_bytes(), None) if midi.exists() else (None, messages.read_bytes())

    with tempfile.TemporaryDirectory(dir=folder) as place, concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        place = pathlib.Path(place)
        made = dict(zip(distinct := list(dict.fromkeys(tunes)), pool.map(one, distinct)))
    return [made[abc] for abc in tunes]


if __name__ == "__main__":
    for file in map(pathlib.Path, sys.argv[1:]):
        file.write_bytes(with_length(file.read_bytes()))
