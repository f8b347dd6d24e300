"""wsctl console on a terminal: whole screens, as a person sees them."""
import os
import re
import signal
import tempfile
import unittest

from terminal import Terminal, until
from worker import Page, Worker, WSCTL

DIGITS = "0123456789" * 20


def history_of(terminal):
    return os.path.join(terminal.home, ".local/state/wspush/console_history")


class Console(unittest.TestCase):
    def setUp(self):
        self.worker = self.enterContext(Worker())

    def page(self, channel="test"):
        return self.enterContext(Page(self.worker, channel))

    def console(self, *options, columns=80, rows=24, prompt="nobody yet", **env):
        command = [WSCTL, "console", *options, "test"]
        t = self.enterContext(Terminal(command, columns, rows, {**self.worker.env, **env}))
        t.wait(f"to {prompt}>")
        return t

    def answer(self, t, text):
        t.type(text)
        t.press("Enter")

    # ---- a conversation ----

    def test_a_conversation(self):
        a, b = self.page(), self.page()
        t = self.console()
        t.wait_screen(["to nobody yet>"], (15, 0))
        self.answer(t, "too early")
        t.wait("nobody has spoken")
        a.say("hi \x1b[31m房间\x07")
        t.wait("to c1>")
        self.answer(t, "hello")
        self.assertEqual(a.hear(), "hello")
        b.say(b"\x00\x1b")
        t.wait("to c2>")
        self.answer(t, "二")
        self.assertEqual(b.hear(), "二")
        self.answer(t, "//bin")
        self.assertEqual(b.hear(), "/bin")
        t.press("Enter")  # an empty line is none
        t.wait_screen(
            [
                "to nobody yet> too early",
                "nobody has spoken yet, so nothing was sent; --channel sends to all of test",
                "c1: hi \\x1b[31m房间\\x07",
                "to c1> hello",
                "c2: (binary, 2 bytes) \\x00\\x1b",
                "to c2> 二",
                "to c2> //bin",
                "to c2>",
            ],
            (7, 7),
        )

    def test_to_the_channel(self):
        a, b = self.page(), self.page()
        t = self.console("--channel", prompt="test")
        self.answer(t, "to both")
        self.assertEqual([a.hear(), b.hear()], ["to both", "to both"])
        t.wait_screen(["to test> to both", "-> test, 2 clients", "to test>"], (9, 2))

    def test_what_waited_comes_first(self):
        a = self.page()
        a.say("before it began")
        until(lambda: self.worker.wsctl("count", "test").stdout == "1\n", "the message")
        t = self.console(prompt="c1")
        t.wait_screen(["c1: before it began", "to c1>"], (7, 1))

    def test_colours(self):
        a = self.page()
        t = self.console("--channel", prompt="test")
        a.say("hi")
        t.wait("c1: hi")
        self.answer(t, "hello")
        t.wait("-> test")
        expected = ["\x1b[1m\x1b[36mc1\x1b[0m: hi", "to test> hello", "\x1b[2m-> test, 1 client\x1b[0m", "to test>"]
        self.assertEqual(t.screen(colours=True), expected)

    def test_no_colours(self):
        a = self.page()
        t = self.console(NO_COLOR="1")
        a.say("hi")
        t.wait("to c1>")
        self.assertEqual(t.screen(colours=True), ["c1: hi", "to c1>"])

    # ---- the line that is being typed ----

    def typed_rows(self, columns):
        """The rows of a prompt and 200 digits, and where the cursor is behind them: column, number of the row."""
        text = "to c1> " + DIGITS
        rows = [text[i : i + columns] for i in range(0, len(text), columns)]
        return rows, (len(rows[-1]) % columns, len(rows) - 1)

    def test_messages_while_a_line_is_typed(self):
        a, b = self.page(), self.page()
        t = self.console()
        a.say("one")
        t.wait("to c1>")
        t.type(DIGITS)
        rows, (column, row) = self.typed_rows(80)
        t.wait_screen(["c1: one", *rows], (column, 1 + row))
        b.say("two")
        t.wait_screen(["c1: one", "c2: two", *rows], (column, 2 + row))
        t.press("Left", "Left", "Left")
        b.say("three")
        t.wait_screen(["c1: one", "c2: two", "c2: three", *rows], (column - 3, 3 + row))
        t.press("Home")
        b.say("four")
        said = ["c1: one", "c2: two", "c2: three", "c2: four"]
        t.wait_screen([*said, *rows], (7, 4))
        t.type("x")
        t.wait(lambda: t.cursor() == (8, 4))
        t.press("BSpace")
        t.press("Enter")
        # it was begun for c1, and c1 has it; the next one is for c2
        self.assertEqual(a.hear(), DIGITS)
        t.wait_screen([*said, *rows, "to c2>"], (7, 4 + len(rows)))

    def test_resized_while_a_line_is_typed(self):
        a = self.page()
        t = self.console()
        for text in ("one", "two", "three", "four"):
            a.say(text)
        t.wait("c1: four")
        t.type(DIGITS)
        t.press("Left", "Left")
        said = ["c1: one", "c1: two", "c1: three", "c1: four"]
        wide, (wide_column, wide_row) = self.typed_rows(80)
        narrow, (column, row) = self.typed_rows(40)
        t.wait_screen([*said, *wide], (wide_column - 2, 4 + wide_row))
        t.resize(40, 12)  # tmux takes three of them off the screen, for the three rows that it is more
        t.wait_screen([*said[3:], *narrow], (column - 2, 1 + row))
        a.say("five")
        t.wait_screen([*said[3:], "c1: five", *narrow], (column - 2, 2 + row))
        a.say("six")
        a.say("seven")
        t.wait_screen([*said[3:], "c1: five", "c1: six", "c1: seven", *narrow], (column - 2, 4 + row))
        t.resize(80, 24)
        said += ["c1: five", "c1: six", "c1: seven"]
        t.wait_screen([*said, *wide], (wide_column - 2, 7 + wide_row))
        a.say("eight")
        t.wait_screen([*said, "c1: eight", *wide], (wide_column - 2, 8 + wide_row))

    def test_wide_characters_and_the_margin(self):
        a = self.page()
        t = self.console(columns=20, rows=10)
        a.say("x")
        t.wait("to c1>")
        t.type("房" * 8)  # the seventh has no room in a row of 20
        t.wait_screen(["c1: x", "to c1> 房房房房房房", "房房"], (4, 2))
        t.press("Home")
        t.type("a")  # now it has: the row is full
        t.wait_screen(["c1: x", "to c1> a房房房房房房", "房房"], (8, 1))
        t.press("End", "BSpace", "BSpace")
        t.wait_screen(["c1: x", "to c1> a房房房房房房"], (0, 2))
        a.say("y")
        t.wait_screen(["c1: x", "c1: y", "to c1> a房房房房房房"], (0, 3))
        t.resize(21, 10)
        t.wait_screen(["c1: x", "c1: y", "to c1> a房房房房房房"], (20, 2))
        t.press("Enter")
        self.assertEqual(a.hear(), "a房房房房房房")

    def test_a_line_higher_than_the_screen(self):
        a = self.page()
        t = self.console(columns=40, rows=6)
        a.say("x")
        t.wait("to c1>")
        text = "".join(f"{i:4}" for i in range(100))
        t.type(text)
        rows = [f"to c1> {text}"[i : i + 40] for i in range(0, 440, 40)]
        end = (len(rows[-1]), 5)
        rows = [row.rstrip() for row in rows]
        t.wait_screen(rows[-6:], end)
        a.say("y")
        t.wait_screen(rows[-6:], end)
        t.press("Home")
        t.wait_screen(rows[:6], (7, 0))
        t.press("C-c")
        t.wait(lambda: t.screen()[-1] == "to c1>")
        self.answer(t, "short")
        self.assertEqual(a.hear(), "short")

    def test_many_messages_at_once(self):
        a = self.page()
        t = self.console()
        t.type("abc")
        t.wait("to nobody yet> abc")
        for i in range(60):
            a.say(f"message {i}")
        t.wait_screen([*(f"c1: message {i}" for i in range(37, 60)), "to nobody yet> abc"], (18, 23))
        t.wait(lambda: t.scrolled() == [*(f"c1: message {i}" for i in range(60)), "to nobody yet> abc"])

    def test_lines_that_come_at_once(self):
        a = self.page()
        t = self.console("--channel", prompt="test")
        t.paste("one\n" + DIGITS + "\n\nthree")
        self.assertEqual([a.hear(), a.hear()], ["one", DIGITS])
        rows = [f"to test> {DIGITS}"[i : i + 80] for i in range(0, 209, 80)]
        sent = "-> test, 1 client"
        t.wait_screen(["to test> one", sent, *rows, sent, "to test> three"], (14, 6))

    # ---- keys ----

    def test_history(self):
        a = self.page()
        t = self.console()
        a.say("x")
        t.wait("to c1>")
        for text in ("first", "zwei 二", "zwei 二"):
            self.answer(t, text)
            self.assertEqual(a.hear(), text)
        sent = ["c1: x", "to c1> first", "to c1> zwei 二", "to c1> zwei 二"]
        t.press("Up", "Up")
        t.wait_screen([*sent, "to c1> first"], (12, 4))
        t.press("Down", "BSpace")
        t.type("三")
        t.wait_screen([*sent, "to c1> zwei 三"], (14, 4))
        t.press("Enter")
        self.assertEqual(a.hear(), "zwei 三")
        t.press("C-d")
        t.wait(lambda: t.status() == 0)
        self.assertEqual(os.stat(history_of(t)).st_mode & 0o777, 0o600)
        with open(history_of(t), encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "first\nzwei 二\nzwei 二\nzwei 三\n")

        # the next console has it, wherever it is said to be
        again = self.console(HOME="/nowhere", XDG_STATE_HOME=os.path.join(t.home, ".local/state"))
        again.press("Up", "Up")
        again.wait_screen(["to nobody yet> zwei 二"], (22, 0))
        again.press("C-c", "C-r")
        again.type("fir")
        again.wait("first")

    def test_a_long_history_is_cut(self):
        state = self.enterContext(tempfile.TemporaryDirectory())
        os.mkdir(os.path.join(state, "wspush"))
        path = os.path.join(state, "wspush", "console_history")
        with open(path, "w", encoding="utf-8") as kept:
            kept.writelines(f"line {i:5}\n" for i in range(30000))
        t = self.console(XDG_STATE_HOME=state)
        t.press("Up")
        t.wait_screen(["to nobody yet> line 29999"], (25, 0))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="utf-8") as kept:
            lines = kept.read().split("\n")
        self.assertEqual(lines, [f"line {i:5}" for i in range(30001 - len(lines), 30000)] + [""])
        self.assertLess(len(lines), 6000)
        t.press("Enter")
        t.wait("nobody has spoken")
        with open(path, encoding="utf-8") as kept:
            self.assertTrue(kept.read().endswith("\nline 29998\nline 29999\nline 29999\n"))

    def test_odd_characters(self):
        a = self.page()
        t = self.console("--channel", prompt="test")
        t.type("e\u0301\tx\U0001f44d")
        t.press("C-v", "Escape")
        t.type("[31m")
        t.wait_screen(["to test> e\u0301 x\U0001f44d\ufffd[31m"], (19, 0))
        t.press("Enter")
        self.assertEqual(a.hear(), "e\u0301\tx\U0001f44d\x1b[31m")

    def test_no_history_to_be_had(self):
        a = self.page()
        t = self.console(HOME="/dev/null")
        a.say("x")
        t.wait("to c1>")
        self.answer(t, "hello")
        self.assertEqual(a.hear(), "hello")
        t.press("Up")
        t.wait_screen(["c1: x", "to c1> hello", "to c1> hello"], (12, 2))

    def test_interrupts_and_the_end(self):
        t = self.console()
        t.type("abc")
        t.wait("abc")
        t.press("C-c")
        t.wait_screen(["to nobody yet>"], (15, 0))
        t.press("C-c")
        t.wait_screen(["Ctrl-D ends", "to nobody yet>"], (15, 1))
        t.type("x")
        t.press("C-d")  # the line is not empty
        t.press("C-c")
        t.press("C-l")
        t.wait_screen(["to nobody yet>"], (15, 0))
        t.press("C-d")
        t.wait(lambda: t.status() is not None)
        self.assertEqual((t.status(), t.screen()), (0, []))

    def test_a_fresh_line_is_for_who_spoke_last(self):
        a, b = self.page(), self.page()
        t = self.console()
        a.say("one")
        t.wait("to c1>")
        t.type("x")
        t.wait("to c1> x")
        b.say("two")
        t.wait_screen(["c1: one", "c2: two", "to c1> x"])
        t.press("C-c")
        t.wait_screen(["c1: one", "c2: two", "to c2>"], (7, 2))
        t.type("y")
        t.wait("to c2> y")
        a.say("three")
        t.wait("c1: three")
        t.press("BSpace")
        t.wait_screen(["c1: one", "c2: two", "c1: three", "to c1>"], (7, 3))
        self.answer(t, "for a")
        self.assertEqual(a.hear(), "for a")

    def test_ctrl_backslash_ends(self):
        # dash, unlike bash, leaves the terminal as it gets it
        script = f"trap : QUIT; ulimit -c 0; {WSCTL} console test; echo $?; stty -a | grep -oE -- '-?(icanon|echo) '"
        t = self.enterContext(Terminal(["dash", "-c", script], env=self.worker.env))
        t.wait("to nobody yet>")
        t.press("C-\\")
        t.wait(lambda: t.status() is not None)
        self.assertEqual(t.screen()[-3:], ["131", "icanon", "echo"])

    def test_the_shell_gets_its_terminal_back(self):
        a = self.page()
        t = self.enterContext(Terminal(["bash", "--norc"], env={**self.worker.env, "PS1": "$ "}))
        t.wait("$")
        self.answer(t, f"{WSCTL} console test")
        t.wait("to nobody yet>")
        t.type("abc")
        t.wait("abc")
        t.press("C-z")
        t.wait("Stopped")
        a.say("meanwhile")
        self.answer(t, "stty -a | grep -ow -- '-*icanon'; clear; fg")
        t.wait("c1: meanwhile")
        t.wait("to nobody yet> abc")
        t.press("C-c")
        t.wait("to c1>")
        t.press("C-d")
        t.wait(lambda: t.screen()[-1] == "$")
        self.answer(t, "clear; stty -a | grep -oE -- '-?(icanon|echo) '")
        t.wait_screen(["icanon", "echo", "$"])

    def test_ended_by_a_signal(self):
        t = self.enterContext(Terminal(["bash", "--norc"], env={**self.worker.env, "PS1": "$ "}))
        t.wait("$")
        self.answer(t, f"{WSCTL} console test")
        t.wait("to nobody yet>")
        os.kill(self.pid_of("console"), signal.SIGTERM)
        t.wait("Terminated")
        self.answer(t, "echo $?; stty -a | grep -oE -- '-?icanon'")
        t.wait(lambda: t.screen()[-3:] == ["143", "icanon", "$"])

    def pid_of(self, word):
        """Of the wsctl that runs with our worker's socket."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/environ", "rb") as environment:
                    if line.read().split(b"\0")[:2] == [WSCTL.encode(), word.encode()]:
                        if self.worker.control.encode() in environment.read():
                            return int(pid)
            except OSError:
                continue
        raise AssertionError(f"no wsctl {word} runs")

    # ---- commands ----

    def test_help(self):
        t = self.console()
        self.answer(t, "/help")
        self.answer(t, "/nix da")
        t.wait_screen(
            [
                "to nobody yet> /help",
                "/to [c42]    answer that client from now on; alone: who spoke last",
                "/close [c42] close that client's connection; alone: the one in the prompt",
                "/who         who is connected",
                "/help        this list",
                "//text       sends \"/text\"",
                "Ctrl-D       ends",
                "to nobody yet> /nix da",
                "there is no /nix; /help lists what there is, and //text sends \"/text\"",
                "to nobody yet>",
            ],
            (15, 9),
        )

    def test_who(self):
        self.page()
        self.page()
        self.page("other")
        t = self.console(columns=40, rows=12)
        self.answer(t, "/who")
        t.wait("c2 ")
        self.assertEqual(
            [re.sub(r" +\d+s$", " 0s", line) for line in t.screen()],
            ["to nobody yet> /who", "CLIENT  USER  OVER  SINCE", "c1      -     raw 0s", "c2      -     raw 0s", "to nobody yet>"],
        )

    def test_to(self):
        a, b = self.page(), self.page()
        t = self.console()
        a.say("I am c1")
        t.wait("to c1>")
        self.answer(t, "/to  c2 ")
        t.wait("to c2>")
        a.say("still here")
        t.wait("still here")
        self.answer(t, "for two")
        self.assertEqual(b.hear(), "for two")
        b.leave()
        until(lambda: "c2" not in self.worker.wsctl("list", "-q").stdout, "c2's end")
        self.answer(t, "too late")  # goes to nobody else
        t.wait("nothing was sent")
        self.answer(t, "/to")
        t.wait(lambda: t.screen()[-1] == "to c1>")
        self.answer(t, "/to c9")
        self.answer(t, "/to nobody")
        t.wait_screen(
            [
                "c1: I am c1",
                "to c1> /to  c2",
                "c1: still here",
                "to c2> for two",
                "to c2> too late",
                "c2 has closed its connection; nothing was sent (/to goes back to who speaks)",
                "to c2> /to",
                "to c1> /to c9",
                "c9 is not connected (/who)",
                "to c1> /to nobody",
                "'nobody' is not a client; they are c1, c2 ... (/who)",
                "to c1>",
            ],
            (7, 11),
        )

    def test_close(self):
        a, b = self.page(), self.page()
        t = self.console()
        self.answer(t, "/close")
        t.wait("/close c42 closes that one")
        self.answer(t, "/close c2")
        self.assertEqual(b.hear(), 1000)
        a.say("and me?")
        t.wait("to c1>")
        self.answer(t, "/close")
        self.assertEqual(a.hear(), 1000)
        until(lambda: self.worker.wsctl("list", "-q").stdout == "", "the end of both")
        self.answer(t, "/close c1")
        t.wait_screen(
            [
                "to nobody yet> /close",
                "/close c42 closes that one; /who lists them",
                "to nobody yet> /close c2",
                "closing c2",
                "c1: and me?",
                "to c1> /close",
                "closing c1",
                "to c1> /close c1",
                "c1 is not connected (/who)",
                "to c1>",
            ],
            (7, 9),
        )

    # ---- the worker ----

    def test_the_worker_goes_and_comes_back(self):
        t = self.console(columns=100)
        t.type("half a line")
        t.wait("half a line")
        self.worker.stop()
        socket = self.worker.control
        gone = f"The worker is gone; looking for it on {socket} (Ctrl-D ends)"
        t.wait_screen([gone, "to nobody yet> half a line"], (26, 1))
        self.worker.start()
        back = f"The worker is back on {socket}"
        t.wait_screen([gone, back, "to nobody yet> half a line"], (26, 2))
        a = self.page()
        a.say("hi")
        t.wait_screen([gone, back, "c1: hi", "to nobody yet> half a line"], (26, 3))
        t.press("Enter")
        t.wait("to c1>")
        t.press("Up", "Enter")
        self.assertEqual(a.hear(), "half a line")
        t.wait_screen(
            [
                gone,
                back,
                "c1: hi",
                "to nobody yet> half a line",
                "the line was for nobody, so nothing was sent; Up brings it back",
                "to c1> half a line",
                "to c1>",
            ],
            (7, 6),
        )

    def restart(self, t):
        self.worker.stop(signal.SIGKILL)
        t.wait("The worker is gone")
        self.worker.start()
        t.wait("The worker is back")

    def test_a_line_is_not_for_the_next_worker_s_client(self):
        a = self.page()
        t = self.console()
        a.say("it's me")
        t.wait("to c1>")
        t.type("for the fir")
        t.wait("for the fir")
        self.restart(t)
        b = self.page()
        b.say("I am c1, too")
        t.wait("I am c1, too")
        self.answer(t, "st")
        t.wait(lambda: t.screen()[-1] == "to c1>")
        self.assertEqual(
            t.screen()[-3:],
            [
                "to nobody yet> for the first",
                "the line was for nobody, so nothing was sent; Up brings it back",
                "to c1>",
            ],
        )
        self.answer(t, "for the second")
        self.assertEqual(b.hear(), "for the second")

    def test_whom_to_chose_goes_with_the_worker(self):
        self.page()
        t = self.console("--channel", prompt="test")
        self.answer(t, "/to c1")
        t.wait("to c1>")
        t.type("for one")
        t.wait("for one")
        self.restart(t)
        b = self.page()
        t.wait("to nobody yet> for one")
        t.press("Enter")
        t.wait(lambda: t.screen()[-1] == "to test>")
        self.assertEqual(t.screen()[-2], "the line was for nobody, so nothing was sent; Up brings it back")
        self.answer(t, "for all")
        self.assertEqual(b.hear(), "for all")
        # a line for the channel is for the next one's, too
        t.type("for a")
        t.wait("to test> for a")
        self.worker.stop(signal.SIGKILL)
        t.wait(lambda: len([line for line in t.screen() if "is gone" in line]) == 2)
        self.worker.start()
        t.wait(lambda: len([line for line in t.screen() if "is back" in line]) == 2)
        c = self.page()
        self.answer(t, "ll")
        self.assertEqual(c.hear(), "for all")

    def test_one_client_that_closes(self):
        a = self.page()
        t = self.enterContext(Terminal([WSCTL, "console", "--client", "c1"], env=self.worker.env))
        t.wait("to nobody yet>")
        t.type("abc")
        t.wait("abc")
        a.leave()
        t.wait(lambda: t.status() == 5)
        self.assertEqual(t.screen(), ["@client:c1 is closed"])

    # ---- no editing ----

    def test_a_dumb_terminal_gets_plain_lines(self):
        a = self.page()
        command = ["env", "TERM=dumb", WSCTL, "console", "test"]
        t = self.enterContext(Terminal(command, env=self.worker.env))
        t.wait("Please enter information:")
        a.say("hi")
        t.wait("c1: hi")
        self.answer(t, "/who")
        self.assertEqual(a.hear(), "/who")
        t.wait_screen(
            [
                "Please enter information:",
                "c1: hi",
                "Please enter information: /who",
                "-> c1",
                "Please enter information:",
            ],
            (26, 4),
        )


if __name__ == "__main__":
    unittest.main()
