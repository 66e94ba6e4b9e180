"""Texts of four topics, five times parted into some to learn from and some for testing: topics.py FILES OUT.

FILES/TOPIC/NAME is a text. In OUT/N, N = 1 ... 5, a fifth of the texts is in test/TOPIC, another one each time, and the others are
in train/TOPIC: each as it is, and copies that lack its first bytes. A model reads a text in patches, and a copy has others. A text
that stands there twice is taken once. OUT/others has the texts of the other topics, but those that are in one of the four too.
"""
import hashlib
import pathlib
import sys

TOPICS = ["computers", "definitions", "politics", "songs-poems"]
PARTS = 5
CUTS = [4, 8, 12]  # bytes; a patch has 16
LEAST = 16  # bytes of a copy
MOST = 2000


def main(files, out):
    known = set()
    for topic in TOPICS:
        texts = {}
        for path in sorted((files / topic).iterdir()):
            content = path.read_bytes()
            digest = hashlib.sha256(content).digest()
            if digest not in known and len(content) <= MOST:
                texts[digest] = (path.stem, content)
            known.add(digest)
        for number, digest in enumerate(sorted(texts)):
            stem, content = texts[digest]
            for part in range(PARTS):
                test = number % PARTS == part
                folder = out / str(part + 1) / ("test" if test else "train") / topic
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{stem}.txt").write_bytes(content)
                for cut in [] if test else CUTS:
                    if len(content) >= cut + LEAST:
                        (folder / f"{stem}-{cut}.txt").write_bytes(content[cut:])
    for path in sorted(files.glob("*/*")):
        content = path.read_bytes()
        if path.parent.name not in TOPICS and hashlib.sha256(content).digest() not in known:
            folder = out / "others" / path.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name).write_bytes(content)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
