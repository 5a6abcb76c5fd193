"""The sketch of a page in ``examples/frontends``, as it stands there but for its server."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from urllib.parse import urlsplit

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent.parent.parent


class Sketch(unittest.TestCase):
    def test_it_runs_code_and_shows_the_output(self) -> None:
        text = (ROOT / "examples/frontends/frontend.py").read_text()
        self.assertIn("https://localhost:8443/run", text)
        host = urlsplit(os.environ["SANDRUN_SERVER"]).netloc
        page = AppTest.from_string(text.replace("localhost:8443", host), default_timeout=60).run()
        for language, code in (
            ("python", "print(6 * 7)"),
            ("javascript", "console.log(6 * 7)"),
            ("bash", "echo $((6 * 7))"),
        ):
            page.selectbox[0].set_value(language)
            page.text_area[0].set_value(code)
            page.button[0].click().run()
            self.assertEqual(list(page.exception), [])
            self.assertEqual(page.code[0].value, "42")


if __name__ == "__main__":
    unittest.main()
