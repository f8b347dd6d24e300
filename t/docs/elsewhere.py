"""elsewhere.txt: commands of the documents that other suites run."""
import re

import names
from machine import TOP, Failed

# Where a check begins, and its sentence.
PYTHON = re.compile(r'^@check\(f?"(.*?)"', re.M)
SHELL = re.compile(r'^ *check "(.*?)(?<!\\)"', re.M)


def rows():
    with open(TOP / "t/docs/elsewhere.txt", encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
    return {fields[0]: fields[1:] for fields in (line.split(" | ") for line in lines)}


def text_of(file, sentence):
    """The text of the check in a file that has this sentence, without the sentence."""
    path = TOP / file
    if not path.is_file():
        raise Failed(f"there is no {file}")
    text = path.read_text(encoding="utf-8")
    found = list((PYTHON if path.suffix == ".py" else SHELL).finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    for i, match in enumerate(found):
        if match[1] == sentence:
            leads_up = "" if path.suffix == ".py" or i == 0 else text[text.index("\n", found[i - 1].end()) : match.start()]
            return leads_up + text[match.end() : ends[i]]
    raise Failed(f"{file} has no check '{sentence}'")


def check(command):
    row = rows().get(command)
    if row is None or len(row) != 3:
        raise Failed(f"t/docs/elsewhere.txt does not say by FILE | CHECK | PROOF what runs: {command}")
    names.check_span(command)
    file, sentence, proof = row
    if proof not in text_of(file, sentence):
        raise Failed(f"{file}: the check '{sentence}' has nowhere '{proof}', which elsewhere.txt names as what runs: {command}")


def check_used(every_block):
    used = {command for block in every_block if block.kind == "elsewhere" for command in block.commands}
    left = [command for command in rows() if command not in used]
    if left:
        raise Failed("in elsewhere.txt and in no document:\n" + "\n".join(left))
