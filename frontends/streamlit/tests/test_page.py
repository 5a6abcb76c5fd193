"""The page as Streamlit runs it, on a real service with real boxes (``SANDRUN_SERVER``)."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from unittest import mock

from streamlit import cache_data, cache_resource
from streamlit.testing.v1 import AppTest

from running import Job

PAGE = Path(__file__).parent.parent / "frontend.py"


class Page(unittest.TestCase):
    def setUp(self) -> None:
        cache_data.clear()
        cache_resource.clear()
        self.page = AppTest.from_file(str(PAGE), default_timeout=60).run()

    def run_code(self, code: str | None = None) -> None:
        if code is not None:
            self.page.text_area[0].set_value(code)
        self.click("Run")
        job: Job = self.page.session_state["job"]
        self.assertTrue(job._over.wait(60))
        self.page.run()
        self.assertEqual(list(self.page.exception), [])

    def click(self, label: str) -> None:
        next(button for button in self.page.button if button.label == label).click().run()

    def said(self) -> str:
        boxes = [*self.page.success, *self.page.error, *self.page.info, *self.page.warning]
        return "\n".join(box.value for box in boxes)

    def test_the_first_program_runs_and_its_files_are_shown(self) -> None:
        self.run_code()
        self.assertEqual(self.said(), "Finished")
        self.assertIn("step 5 of 5", self.page.code[0].value)
        labels = [metric.label for metric in self.page.metric]
        self.assertEqual(labels, ["CPU", "Memory", "Time", "Waited"])
        self.assertNotIn("?", [metric.value for metric in self.page.metric])
        self.assertEqual([tab.label for tab in self.page.tabs], [r"wave\.svg", r"wave\.csv"])
        self.assertEqual(self.page.dataframe[0].value.shape, (141, 2))

    def test_languages_are_those_of_the_server(self) -> None:
        offered = self.page.selectbox[0].options
        self.assertTrue(any(option.startswith("Python 3") for option in offered))
        for name, expected in (("node", "run code forget it"), ("bash", "step 3")):
            self.page.selectbox[0].set_value(name).run()
            self.run_code()
            self.assertEqual(self.said(), "Finished")
            self.assertIn(expected, self.page.code[0].value)

    def test_files_arguments_and_input_reach_the_program(self) -> None:
        self.page.file_uploader[0].set_value([("data ä.txt", b"from a file", "text/plain")])
        self.page.text_input[0].set_value("one 'two words'")
        self.page.text_area[1].set_value("from stdin")
        self.run_code(
            "import sys; print(open('data ä.txt').read(), sys.stdin.read(), sys.argv[1:])"
        )
        self.assertEqual(self.page.code[0].value, "from a file from stdin ['one', 'two words']")

    def test_what_is_printed_keeps_its_shape(self) -> None:
        self.run_code(r"print('\n   *\n  ***')")
        self.assertEqual(self.page.code[0].value, "\u200b\n   *\n  ***")

    def test_ends_are_told_in_words(self) -> None:
        self.page.number_input[0].set_value(1)
        self.page.number_input[1].set_value(64)
        for code, words in (
            ("print('x'); exit(3)", "Exited with 3"),
            ("print('x', flush=True); import time; time.sleep(60)", "Timed out after 1 s"),
            ("print('x', flush=True); y = bytearray(300 << 20)", r"Ran out of memory \(64 MB\)"),
            ("print('x', flush=True); import os; os.abort()", "Killed by SIGABRT"),
        ):
            self.run_code(code)
            self.assertEqual(self.said().replace("\\", ""), words.replace("\\", ""))
            self.assertIn("x", self.page.code[0].value)

    def test_stop_ends_a_job(self) -> None:
        code = "print('begun', flush=True)\nwhile True: pass"
        self.page.text_area[0].set_value(code)
        self.click("Run")
        job: Job = self.page.session_state["job"]
        while "begun" not in job.printed:
            self.assertFalse(job._over.wait(0.02), job.problem)
        self.page.run()
        self.assertIn("begun", self.page.code[0].value)
        self.click("Stop")
        self.assertTrue(job._over.wait(20))
        self.page.run()
        self.assertEqual(self.said().replace("\\", ""), "Stopped.")
        self.assertIn("begun", self.page.code[0].value)

    def test_names_and_contents_of_files_are_never_markup(self) -> None:
        names = ["**b**.txt", "[a](javascript:alert(1))", ":smile:", "<img src=x onerror=alert(1)>"]
        html = "<script>alert(1)</script>"
        self.run_code(f"for name in {names}: open(name, 'w').write({html!r})")
        labels = {tab.label for tab in self.page.tabs}
        self.assertEqual({label.replace("\\", "") for label in labels}, set(names))
        for label in labels:
            self.assertNotRegex(label, r"(?<!\\)[*<\[(:]")
        self.assertEqual([code.value for code in self.page.code], [html] * len(names))

    def test_many_files_are_a_list(self) -> None:
        self.run_code("for n in range(20): open(f'{n}.txt', 'w').write('x')")
        self.assertEqual(len(self.page.tabs), 0)
        self.assertEqual(len([e for e in self.page.expander if e.label.endswith("txt")]), 20)

    def test_a_refusal_is_told(self) -> None:
        self.page.file_uploader[0].set_value([("../x", b"", "text/plain")])
        self.run_code("print(1)")
        self.assertIn("path cannot be used", self.said().replace("\\", ""))
        self.page.file_uploader[0].set_value([("main.py", b"", "text/plain")])
        self.click("Run")
        self.assertIn("Rename the file", self.said())


class WithoutServer(unittest.TestCase):
    def test_it_says_so_and_can_be_tried_again(self) -> None:
        for server, words in (
            ("https://127.0.0.1:9", "No server answers"),
            ("http://example.com", "use https"),
        ):
            cache_data.clear()
            cache_resource.clear()
            with mock.patch.dict(os.environ, {"SANDRUN_SERVER": server}):
                page = AppTest.from_file(str(PAGE), default_timeout=60).run()
                self.assertEqual(list(page.exception), [])
                self.assertIn(words, page.error[0].value.replace("\\", ""))
                page.button[0].click().run()
                self.assertIn(words, page.error[0].value.replace("\\", ""))


if __name__ == "__main__":
    unittest.main()
