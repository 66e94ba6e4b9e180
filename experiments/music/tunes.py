"""Tunes as pairs of files: tunes.py WHEEL ABC2MIDI CONVERTED OUT.

Takes the ABC tunes of the corpus in WHEEL, music21's package, cleans them, makes each one's MIDI with ABC2MIDI, and writes pairs
NAME.abc and NAME.mid to OUT/train and OUT/test, and the first thousand training pairs to OUT/thousand. NAME is NUMBER_COLLECTION,
and the tunes are in no order, so that the first ones by name are as good as drawn. CONVERTED keeps what ABC2MIDI made,
so that an interrupted run goes on from there. Prints what was left out and why. The same input gives the same files.
"""
import collections
import hashlib
import pathlib
import re
import shutil
import sys
import zipfile

import midi

PATCH, PATCHES = 16, 128  # a pair must fit in 2,048 bytes: patches of both files, and three of extensions and end
TESTED = 500  # but no more than a tenth
FIRST = 1000
ENDS = 20

FIELD = re.compile(rb"[A-Za-z]:(?![|:])")
KEPT = b"MLQKPV"


def corpus(wheel):
    """Collection and text of every tune, in the order of their files' names."""
    with zipfile.ZipFile(wheel) as package:
        for name in sorted(package.namelist()):
            if name.startswith("music21/corpus/") and name.endswith(".abc"):
                for tune in re.split(rb"(?m)^(?=X:)", package.read(name))[1:]:
                    yield name.split("/")[2], tune


def clean(tune):
    """One X:1, the fields that the music needs, and the music. No titles, sources, lyrics, comments, blank lines."""
    lines = [line.strip() for line in tune.splitlines()]
    kept = [line for line in lines if line and not line.startswith(b"%") and (line[:1] in KEPT or not FIELD.match(line))]
    return b"\n".join([b"X:1", *kept, b""])


def patches(data):
    return -(-len(data) // PATCH)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Groups:
    """Tunes that have a feature in common, directly or by way of others, are one group."""

    def __init__(self):
        self.parent = {}

    def find(self, item):
        while self.parent.setdefault(item, item) != item:
            self.parent[item] = item = self.parent[self.parent[item]]
        return item

    def join(self, one, other):
        self.parent[self.find(one)] = self.find(other)


def features(data):
    """What no training tune may share with a tested one: the MIDI, its intervals, its first and its last intervals."""
    notes, fault = midi.read(data)
    assert fault is None, fault
    keys = [key for _, key, _ in notes]
    intervals = tuple(after - before for before, after in zip(keys, keys[1:]))
    return ("midi", digest(data)), ("all", intervals), ("begin", intervals[:ENDS]), ("end", intervals[-ENDS:])


def main(wheel, abc2midi, converted, out):
    collection_of, dropped, found = {}, collections.Counter(), 0
    for found, (collection, tune) in enumerate(corpus(wheel), 1):
        tune = clean(tune)
        if tune in collection_of:
            dropped["the same as another tune once it is cleaned"] += 1
        else:
            collection_of[tune] = collection
    print(f"{found} tunes", flush=True)
    pairs, groups = {}, Groups()
    for abc, (data, messages) in zip(collection_of, midi.abc2midi(abc2midi, converted, list(collection_of))):
        if data is None:
            dropped["abc2midi reports an error" if b"Error" in messages else "abc2midi makes nothing of it"] += 1
        elif patches(abc) + patches(data) + 3 > PATCHES:
            dropped["ABC and MIDI are longer than 2,048 bytes"] += 1
        else:
            pairs[abc] = data
            for feature in features(data):
                groups.join(abc, feature)
    for reason, number in dropped.most_common():
        print(f"  left out: {number}, {reason}")
    sizes = collections.Counter(groups.find(abc) for abc in pairs)
    order = sorted(pairs, key=digest)  # as good as drawn, and the same everywhere
    test = [abc for abc in order if sizes[groups.find(abc)] == 1][:min(TESTED, len(order) // 10)]
    tested = set(test)
    train = [abc for abc in order if abc not in tested]
    for name, tunes in ("train", train), ("test", test), ("thousand", train[:FIRST]):
        folder = pathlib.Path(out, name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for place, abc in enumerate(tunes):
            stem = f"{place:05}_{collection_of[abc]}"
            (folder / f"{stem}.abc").write_bytes(abc)
            (folder / f"{stem}.mid").write_bytes(pairs[abc])
        print(f"  {name}: {len(tunes)} pairs, {sum(map(len, tunes))} bytes of ABC, {sum(len(pairs[abc]) for abc in tunes)} of MIDI")
    print(f"{len(pairs)} pairs in {len(sizes)} groups that share no melody")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__.splitlines()[0])
    main(*sys.argv[1:])
