"""What was published, and what each client has made of it: every message once and in order, or a reset that is true."""
import collections


def split(position):
    generation, number = position.split("-")
    return int(generation), int(number)


class Oracle:
    """Counts. A channel's messages are "CHANNEL NUMBER ...", numbered from 1 in the order of publishing."""

    FAULTS = ("resets unexplained", "lost", "duplicates", "out of order", "wrong", "behind at the end")

    def __init__(self, channels, history):
        self.history = history
        self.published = dict.fromkeys(channels, 0)
        self.heads = dict.fromkeys(channels, "")
        self.first = {}  # of each channel, the number in an id less that in the text
        self.counts = collections.Counter()
        self.cuts = collections.Counter()
        self.faults = []

    def text(self, channel):
        self.published[channel] += 1
        return f"{channel} {self.published[channel]} " + "x" * (self.published[channel] * 7 % 150)

    def is_published(self, channel, position):
        self.heads[channel] = position

    def fault(self, what, who, text):
        self.counts[what] += 1
        if len(self.faults) < 40:
            self.faults.append(f"{what}: {who}: {text}")

    def judge_text(self, who, channel, text):
        """The number in it; 0 where it is none that was published."""
        name, number, filling = (text.split(" ") + ["", ""])[:3]
        if name != channel or not number.isdigit() or not 1 <= int(number) <= self.published[channel] \
                or filling != "x" * (int(number) * 7 % 150):
            self.fault("wrong", who, f"{channel} has {text[:60]!r}")
            return 0
        return int(number)

    def judge_step(self, who, channel, last, number):
        """What comes behind `last`; 0: anything may."""
        self.counts["received"] += 1
        if not last or number == last + 1:
            return
        where = f"{channel}: {number} after {last}"
        if number == last:
            self.fault("duplicates", who, where)
        elif number < last:
            self.fault("out of order", who, where)
        else:
            self.fault("lost", who, where)


class Reader:
    """A client that resumes: where it is in each of its channels."""

    def __init__(self, oracle, name):
        self.oracle, self.name = oracle, name
        self.positions = {}  # of channels: an id

    def begins(self, channel, position):
        """From where it goes on, as it is told."""
        at = self.positions.setdefault(channel, position)
        if at != position:
            self.oracle.fault("wrong", self.name, f"{channel}: it goes on from {position}, it was at {at}")

    def message(self, channel, position, text):
        oracle = self.oracle
        number = oracle.judge_text(self.name, channel, text)
        seq = split(position)[1]
        if seq - number != oracle.first.setdefault(channel, seq - number):
            oracle.fault("wrong", self.name, f"{channel}: {position} has the text of {number}")
        last = self.positions.get(channel)
        if last and split(last)[0] != split(position)[0]:
            oracle.fault("wrong", self.name, f"{channel}: {position} after {last}")
        oracle.judge_step(self.name, channel, split(last)[1] if last else 0, seq)
        if not last or split(last)[1] < seq:
            self.positions[channel] = position

    def reset(self, channel, why, position):
        """It is true where more messages follow the place of the client than the history holds."""
        last = self.positions.get(channel)
        behind = split(position)[1] - split(last)[1] if last else 0
        if why == "gone" and last and split(last)[0] == split(position)[0] and behind > self.oracle.history:
            self.oracle.counts["resets explained"] += 1
        else:
            self.oracle.fault("resets unexplained", self.name, f"{channel}: {why} at {position}, it was at {last}")
        self.positions[channel] = position

    def is_at_end(self):
        return bool(self.positions) and all(position == self.oracle.heads[channel]
                                            for channel, position in self.positions.items())
