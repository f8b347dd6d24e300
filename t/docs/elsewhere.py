"""elsewhere.txt: commands of the documents that other suites run."""
import names
from machine import TOP, Failed


def rows():
    with open(TOP / "t/docs/elsewhere.txt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    return {fields[0]: fields[1:] for fields in (line.split(" | ") for line in lines)}


def texts_below(path):
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    if not files:
        raise Failed(f"there is no {path.relative_to(TOP)}")
    return [file.read_text(encoding="utf-8", errors="replace") for file in files]


def check(command):
    row = rows().get(command)
    if row is None:
        raise Failed(f"t/docs/elsewhere.txt does not say which suite runs: {command}")
    names.check_span(command)
    if row:
        suite, proof = row
        if not any(proof in text for text in texts_below(TOP / suite)):
            raise Failed(f"{suite} has nowhere '{proof}', which elsewhere.txt names as what runs: {command}")


def check_used(every_block):
    used = {command for block in every_block if block.kind == "elsewhere" for command in block.commands}
    left = [command for command in rows() if command not in used]
    if left:
        raise Failed("in elsewhere.txt and in no document:\n" + "\n".join(left))
