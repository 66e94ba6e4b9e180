"""text.py FOLDER: tests experiments/text/topics.py on texts that it makes in FOLDER."""
import pathlib
import subprocess
import sys


def equal(what, other):
    assert what == other, f"{what}, not {other}"


def main(folder):
    folder = pathlib.Path(folder)
    files, out = folder / "files", folder / "parts"
    topics = ["computers", "definitions", "politics", "songs-poems"]
    for topic in [*topics, "zippy"]:
        (files / topic).mkdir(parents=True)
        for number in range(10):
            (files / topic / f"{number:05}.txt").write_text(f"A text of {topic}, of some length: {number}\n")
    (files / "politics" / "00010.txt").write_text("A text of computers, of some length: 3\n")
    (files / "zippy" / "00010.txt").write_text("A text of computers, of some length: 3\n")
    (files / "politics" / "00011.txt").write_text("short\n")
    (files / "politics" / "00012.txt").write_text("long" * 501)
    subprocess.run([sys.executable, "experiments/text/topics.py", files, out], check=True)
    tested = []
    for part in range(1, 6):
        test = {path.relative_to(out / str(part) / "test"): path.read_bytes() for path in (out / str(part) / "test").rglob("*.txt")}
        train = {path.relative_to(out / str(part) / "train"): path.read_bytes() for path in (out / str(part) / "train").rglob("*.txt")}
        equal({path.parts[0] for path in test} | {path.parts[0] for path in train}, set(topics))
        whole = {path: text for path, text in train.items() if "-" not in path.stem}
        equal(set(whole) & set(test), set())
        equal(len(whole) + len(test), 41)
        for path, text in train.items():
            stem, _, cut = path.stem.partition("-")
            equal(text, (files / path.parent / f"{stem}.txt").read_bytes()[int(cut or 0):])
            assert not any(of_test.endswith(text) for of_test in test.values()), path
        equal(len(train) - len(whole), 3 * sum(len(text) > 6 for text in whole.values()))
        tested += test
    equal(len(tested), 41)
    equal(len(set(tested)), 41)
    equal({path.relative_to(out / "others") for path in (out / "others").rglob("*.txt")},
          {pathlib.Path("zippy") / f"{number:05}.txt" for number in range(10)})


if __name__ == "__main__":
    main(*sys.argv[1:])
