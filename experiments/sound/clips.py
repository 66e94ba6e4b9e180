"""Recordings as one-second clips, and what clips look like in numbers.

clips.py cut FOLDER TRAIN TEST
  Cuts the 16-bit mono WAV recordings of 8,000 Hz below FOLDER into whole seconds, from the start; what is left over at the end is dropped.
  Each clip is a WAV file of its own, 8-bit unsigned mono, 44 + 8,000 bytes. Seconds without any sound are left out. All clips of a recording
  go to the same folder: those of recordings with the smallest SHA-256 to TEST, until a tenth of the clips is there; the rest to TRAIN.
clips.py describe FOLDER...
  A line for each folder of such clips: how many have the right header and length, and their loudness and voice.
"""
import array
import hashlib
import pathlib
import statistics
import struct
import sys
import wave

RATE = 8000  # samples a second, and samples of a clip
SILENCE = 128
HEADER = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + RATE, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8, b"data", RATE)
FRAME = 240  # samples of which loudness and voice are measured at once: 30 ms


def recording(path):
    """The bytes of a recording's 16-bit samples."""
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            sys.exit(f"{path}: not 16-bit mono of {RATE} Hz")
        return file.readframes(file.getnframes())


def clips(data):
    """The whole seconds of 16-bit samples as 8-bit unsigned ones, each rounded to the nearest."""
    samples = array.array("h", data)
    if sys.byteorder == "big":
        samples.byteswap()
    rounded = bytes(min(255, (sample + 32768 + 128) >> 8) for sample in samples)
    seconds = (rounded[begin:begin + RATE] for begin in range(0, len(rounded) - RATE + 1, RATE))
    return [second for second in seconds if max(abs(sample - SILENCE) for sample in second) > 1]


def cut(source, train, test):
    source, train, test = map(pathlib.Path, (source, train, test))
    recordings = []
    for path in source.rglob("*.wav"):
        data = recording(path)
        found = clips(data)
        if found:
            name = "-".join(path.relative_to(source).with_suffix("").parts)
            recordings.append((hashlib.sha256(data).hexdigest(), name, found))
    recordings.sort()
    total = sum(len(found) for _, _, found in recordings)
    counts = {train: [0, 0], test: [0, 0]}
    train.mkdir()
    test.mkdir()
    for _, name, found in recordings:
        folder = test if 10 * counts[test][1] < total else train
        counts[folder][0] += 1
        counts[folder][1] += len(found)
        for number, samples in enumerate(found):
            (folder / f"{name}-{number:02}.wav").write_bytes(HEADER + samples)
    for folder, what in (train, "to learn from"), (test, "for testing"):
        print("{1:,} clips of {0} recordings {2}".format(*counts[folder], what))


def voice(frame):
    """How alike a frame and itself a pitch period later are, at the best of the periods of 80 to 400 Hz: 1 for a tone, near 0 for noise."""
    best = 0
    for lag in range(RATE // 400, RATE // 80 + 1):
        one, other = frame[:-lag], frame[lag:]
        energy = (sum(x * x for x in one) * sum(x * x for x in other)) ** 0.5
        if energy:
            best = max(best, sum(x * y for x, y in zip(one, other)) / energy)
    return best


def loudness(samples):
    """Root mean square, in steps of 8 bits."""
    mean = sum(samples) / len(samples)
    return (sum((x - mean) ** 2 for x in samples) / len(samples)) ** 0.5


def describe(*folders):
    print("folder | clips | right header | right length | loudness: least, median, most | frames: quiet, with voice, without | next sample alike | clips with voice")
    for folder in folders:
        paths = sorted(pathlib.Path(folder).glob("*.wav"))
        headers, whole, loud, kinds, alike, spoken = 0, 0, [], {"quiet": 0, "voice": 0, "other": 0}, [], 0
        for path in paths:
            data = path.read_bytes()
            headers += data.startswith(HEADER)
            whole += len(data) == len(HEADER) + RATE
            samples = [sample - SILENCE for sample in data[len(HEADER):]]
            if not samples:
                continue
            loud.append(loudness(samples))
            energy = sum(x * x for x in samples)
            alike.append(sum(x * y for x, y in zip(samples, samples[1:])) / energy if energy else 0)
            before = kinds["voice"]
            for begin in range(0, len(samples) - FRAME + 1, FRAME):
                frame = samples[begin:begin + FRAME]
                kinds["quiet" if loudness(frame) < 2 else "voice" if voice(frame) > 0.7 else "other"] += 1
            spoken += kinds["voice"] >= before + 5
        frames = sum(kinds.values()) or 1
        shares = ", ".join(f"{100 * count / frames:.0f} %" for count in kinds.values())
        levels = f"{min(loud):.1f}, {statistics.median(loud):.1f}, {max(loud):.1f}" if loud else "none"
        print(f"{folder} | {len(paths)} | {headers} | {whole} | {levels} | {shares} | {statistics.mean(alike or [0]):.3f} | {spoken}")


if __name__ == "__main__":
    {"cut": cut, "describe": describe}[sys.argv[1]](*sys.argv[2:])
