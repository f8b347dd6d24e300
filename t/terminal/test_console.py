"""wsctl console on a terminal."""
import unittest

from terminal import Terminal
from worker import Page, Worker, WSCTL


class Console(unittest.TestCase):
    def setUp(self):
        self.worker = self.enterContext(Worker())

    def test_a_conversation(self):
        page = self.enterContext(Page(self.worker, "test"))
        with Terminal([WSCTL, "console", "test"], env=self.worker.env) as t:
            t.wait_screen(["Please enter information:"], (26, 0))
            page.say("hi")
            t.wait("c1: hi")
            t.type("hello")
            t.press("Enter")
            t.wait("-> c1")
            self.assertEqual(page.hear(), "hello")


if __name__ == "__main__":
    unittest.main()
